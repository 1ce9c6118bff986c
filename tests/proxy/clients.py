"""Clients that behave badly, and one that behaves well meanwhile; and a backend that answers at length."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import requests

from lab.http import Request, Response
from tests.support.serving import serving

BIG = 2 << 20
Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]


@contextlib.contextmanager
def backend(seen: list[Request] | None = None) -> Iterator[int]:
    """A backend on the port that it yields: `/big` is 2 MiB, `/slow` takes half a second, all else is `ok`. What it
    is asked goes into `seen`.
    """

    async def answer(request: Request) -> Response:
        if seen is not None:
            seen.append(request)
        if request.path == "/slow":
            await asyncio.sleep(0.5)
        return Response(200, b"x" * BIG if request.path == "/big" else b"ok")

    with serving(answer) as port:
        yield port


@dataclass
class Good:
    """One client that asks again and again on a thread of its own, and keeps what it was answered."""

    url: str
    host: str
    codes: list[int] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Good":
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with requests.Session() as session:
            while not self._over.wait(0.02):
                self.codes.append(session.get(self.url, headers={"Host": self.host}, timeout=5).status_code)


def attack(port: int, count: int, behave: Attack, *, window: int | None = None) -> list[tuple[float, bytes]]:
    """So many connections that all behave so, at once: how long each lasted in seconds, and what it read.

    `window` makes the client's receive buffer so small.
    """

    async def one() -> tuple[float, bytes]:
        client = socket.socket()
        if window is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=client, limit=window or 65536)
        began = time.monotonic()
        read = await behave(reader, writer)
        writer.transport.abort()
        return time.monotonic() - began, read

    async def all_() -> list[tuple[float, bytes]]:
        return await asyncio.gather(*(one() for _ in range(count)))

    return asyncio.run(all_())


def dripping(first: bytes, each: bytes) -> Attack:
    """Sends `first`, and then `each` ten times a second for as long as it is let."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        async def drip() -> None:
            with contextlib.suppress(OSError):
                while not writer.is_closing():
                    writer.write(each)
                    await writer.drain()
                    await asyncio.sleep(0.1)

        writer.write(first)
        dripper = asyncio.create_task(drip())
        try:
            return await _all(reader)
        finally:
            dripper.cancel()

    return behave


def reading_nothing(request: bytes, seconds: float) -> Attack:
    """Asks, and begins to read only after so many seconds; then it takes all that is still to be had."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(request)
        await asyncio.sleep(seconds)
        return await _all(reader)

    return behave


def reading_until_answered(request: bytes) -> Attack:
    """Asks, and reads the version and the status of the answer."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(request)
        return await reader.readexactly(12)

    return behave


async def _all(reader: asyncio.StreamReader) -> bytes:
    """What comes until the end, also where the end is a reset, or after twenty seconds."""
    read = bytearray()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(20):
            while chunk := await reader.read(65536):
                read += chunk
    return bytes(read)


def holding(port: int, count: int, host: str, *, source: str = "127.0.0.1") -> list[bool]:
    """Of so many connections from an address, open at once, whether each is answered."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(port, source)) for _ in range(count)]
        return [answers(client, host) for client in clients]


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0))


def answers(client: socket.socket, host: str, *, before: bytes = b"") -> bool:
    try:
        client.sendall(before + f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return client.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def named(address: str, client_port: int, port: int) -> bytes:
    """How a layer-4 balancer begins the connection of a client of this address."""
    return f"PROXY TCP4 {address} 127.0.0.1 {client_port} {port}\r\n".encode()
