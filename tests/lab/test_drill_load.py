"""Load of drills: over a new connection for each request, and over one that stays with its client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lab.drills.load import Answer, Target, steady
from lab.drills.pinned import pinned

HELD_SECONDS = 0.5
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Backend:
    """Answers every request; the third of a connection it holds back for half a second if it `stalls`."""

    def __init__(self, *, stalls: bool = False) -> None:
        self.stalls = stalls
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        asked = 0
        while line := await reader.readline():
            if line == b"\r\n":
                asked += 1
                await asyncio.sleep(HELD_SECONDS if self.stalls and asked == 3 else 0)
                writer.write(OK)

    @asynccontextmanager
    async def at_a_port(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]
            for writer in self._writers:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)


def test_a_stall_counts_for_every_request_that_it_kept_back() -> None:
    async def play() -> list[Answer]:
        async with Backend(stalls=True).at_a_port() as port:
            (answers,) = await pinned(Target(port, "shop.test"), connections=1, rate=20, seconds=1)
            return answers

    answers = asyncio.run(play())
    took = [answer.seconds for answer in answers]
    assert [answer.status for answer in answers] == [200] * 20
    assert max(took) >= HELD_SECONDS
    # One is due every 50 ms: some nine wait behind the half second, each 50 ms less than the one before.
    assert 7 <= sum(seconds > 0.08 for seconds in took) <= 13


def test_clients_with_a_connection_each_do_not_wait_for_each_other() -> None:
    async def play() -> int:
        backend = Backend()
        async with backend.at_a_port() as port:
            await pinned(Target(port, "shop.test"), connections=4, rate=10, seconds=0.5)
            return backend.connections

    assert asyncio.run(play()) == 4


@pytest.mark.parametrize(("kept", "least", "most"), [(True, 1, 3), (False, 10, 10)])
def test_a_new_client_has_a_new_connection(kept: bool, least: int, most: int) -> None:
    async def play() -> int:
        backend = Backend()
        async with backend.at_a_port() as port:
            await steady(Target(port, "shop.test", kept=kept), rate=20, seconds=0.5)
            return backend.connections

    assert least <= asyncio.run(play()) <= most
