"""A backend that moves large bodies at a pace of its own, and knows when each connection came and went."""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.processes import free_port

CHUNK = b"x" * 65536


@dataclass
class Mover:
    """`POST` takes a body and answers its length; `GET /N` answers N bytes; both only once `go` is set."""

    port: int
    go: threading.Event = field(default_factory=threading.Event)
    opened: list[float] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept until the proxy ends it."""
        self.opened.append(time.monotonic())
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    await self._one(reader, writer)
        finally:
            self.closed.append(time.monotonic())
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.requests.append(head)
        while not self.go.is_set():
            await asyncio.sleep(0.01)
        await self._answer(head, reader, writer)

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wanted = re.match(r"GET /(\d+)", head)
        size = int(wanted[1]) if wanted else 0
        answer = b"" if wanted else str(await _taken(head, reader)).encode()
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {size or len(answer)}\r\n\r\n".encode() + answer)
        for start in range(0, size, len(CHUNK)):
            writer.write(CHUNK[: size - start])
            await writer.drain()


async def _taken(head: str, reader: asyncio.StreamReader) -> int:
    """Reads the body that the head announces; its length."""
    length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
    left = int(length[1]) if length else 0
    total = left
    while left:
        left -= len(await reader.read(min(left, len(CHUNK))) or b"?" * left)
    return total


@contextlib.contextmanager
def mover() -> Iterator[Mover]:
    """The backend on a free port, on a thread of its own."""
    found = Mover(free_port())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(
        asyncio.start_server(found.serve, "127.0.0.1", found.port), loop
    ).result(5)
    try:
        yield found
    finally:
        found.go.set()
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_ended(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _ended() -> None:
    """Ends every connection's task."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)  # one turn more, in which the transports end
