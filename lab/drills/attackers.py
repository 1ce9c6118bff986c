"""Clients that behave badly: each holds a connection of a proxy and gives next to nothing for it.

An `Attack` is what one of them does with its connection; it ends when the proxy ends it. Plain sockets, since
asyncio's streams would go on reading behind the back of a client that is not to read.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable

ADDRESS = "127.0.0.1"
READ_BYTES = 65536
PATIENCE_SECONDS = 20.0
DRIP_SECONDS = 0.1
Attack = Callable[[socket.socket], Awaitable[bytes]]
"""Answers what it has read."""


def attack(port: int, count: int, behave: Attack, *, window: int | None = None) -> list[tuple[float, bytes]]:
    """So many connections that all behave so, at once: how long each lasted in seconds, and what it read.

    `window` makes the client's receive buffer so small. Raises OSError where one is refused.
    """

    async def one() -> tuple[float, bytes]:
        with await connected(port, window=window) as client:
            began = time.monotonic()
            read = await behave(client)
            return time.monotonic() - began, read

    async def all_() -> list[tuple[float, bytes]]:
        return await asyncio.gather(*(one() for _ in range(count)))

    return asyncio.run(all_())


async def connected(port: int, *, window: int | None = None, source: str = ADDRESS) -> socket.socket:
    """A connection to a loopback port from a loopback address. Raises OSError."""
    client = socket.socket()
    try:
        if window is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.setblocking(False)
        client.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(client, (ADDRESS, port))
    except BaseException:
        client.close()
        raise
    return client


def dripping(first: bytes, each: bytes, *, patience: float = PATIENCE_SECONDS) -> Attack:
    """Sends `first`, and then `each` ten times a second for as long as it is let, or for so many seconds."""

    async def behave(client: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()

        async def drip() -> None:
            with contextlib.suppress(OSError):
                while True:
                    await loop.sock_sendall(client, each)
                    await asyncio.sleep(DRIP_SECONDS)

        await loop.sock_sendall(client, first)
        dripper = asyncio.create_task(drip())
        try:
            return await _all(client, patience)
        finally:
            dripper.cancel()
            await asyncio.wait([dripper])

    return behave


def reading_nothing(request: bytes, seconds: float) -> Attack:
    """Asks, and begins to read only after so many seconds; then it takes all that is still to be had."""

    async def behave(client: socket.socket) -> bytes:
        with contextlib.suppress(OSError):  # cut meanwhile
            await asyncio.get_running_loop().sock_sendall(client, request)
        await asyncio.sleep(seconds)
        return await _all(client)

    return behave


def reading_until_answered(request: bytes) -> Attack:
    """Asks, and reads the version and the status of the answer."""

    async def behave(client: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, request)
        read = b""
        while len(read) < len(b"HTTP/1.1 200") and (chunk := await loop.sock_recv(client, 12 - len(read))):
            read += chunk
        return read

    return behave


async def _all(client: socket.socket, patience: float = PATIENCE_SECONDS) -> bytes:
    """What comes until the end, also where the end is a reset, or for so many seconds."""
    read = bytearray()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(patience):
            while chunk := await asyncio.get_running_loop().sock_recv(client, READ_BYTES):
                read += chunk
    return bytes(read)
