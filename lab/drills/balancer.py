"""A layer-4 balancer: it gives each connection to the next backend and copies bytes."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence

from lab import ports

LOOPBACK = "127.0.0.1"
CHUNK = 65_536


class Balancer:
    """On a port of the loopback address. `taken` counts connections by the port that they were given to."""

    def __init__(self, backends: Sequence[int]) -> None:
        self.port = ports.free(1)[0]
        self.taken = dict.fromkeys(backends, 0)
        self._turn = itertools.cycle(backends)
        self._copying: set[asyncio.Task[None]] = set()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end is gone."""
        backend = next(self._turn)
        self.taken[backend] += 1
        try:
            ahead_reader, ahead_writer = await asyncio.open_connection(LOOPBACK, backend)
        except OSError:
            writer.transport.abort()
            return
        ways = {asyncio.create_task(_copy(*way)) for way in ((reader, ahead_writer), (ahead_reader, writer))}
        self._copying |= ways
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._copying -= ways
            for end in (writer, ahead_writer):
                end.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()


@contextlib.asynccontextmanager
async def balancing(backends: Sequence[int]) -> AsyncIterator[Balancer]:
    """A balancer in front of these ports for the length of the block."""
    balancer, relays = Balancer(backends), set[asyncio.Task[None]]()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(balancer.relay(reader, writer))
        relays.add(task)
        task.add_done_callback(relays.discard)

    server = await asyncio.start_server(accept, LOOPBACK, balancer.port)
    try:
        yield balancer
    finally:
        server.close()
        for task in relays:
            task.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
