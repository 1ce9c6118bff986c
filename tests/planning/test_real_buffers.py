"""What the formula says of a real Envoy: answers that nobody reads are held, and no more of each than it says."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import requests

from lab.drills.attackers import connected
from planning.domain.buffers import buffers
from runbooks.drills.world import World
from tests.proxy.factories import tier

pytestmark = pytest.mark.real
CLIENTS = 30
REQUEST = b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n"
# More than the kernel holds between two ends that nobody reads from.
ANSWER_BYTES = 64_000_000
SETTLED_SECONDS = 1.0
OVERHEAD = 1.25
"""What a connection and the last read, which may go above a buffer's limit, add."""


@contextlib.asynccontextmanager
async def endless() -> AsyncIterator[int]:
    """A backend whose answers never fit; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {ANSWER_BYTES}\r\n\r\n".encode())
            for _ in range(ANSWER_BYTES // 64_000):
                writer.write(bytes(64_000))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def held_by_readers(folder: Path, buffer_bytes: int) -> float:
    """The most bytes that a proxy holds for each of many answers while none of their clients reads."""
    async with World(folder) as world:
        envoy = await world.envoy(
            {
                "limits": {"buffer_bytes": buffer_bytes},
                "upstreams": [{"name": "shop", "endpoints": [{"port": await world.enter(endless())}]}],
                "routes": [{"name": "shop", "hosts": ["shop.test"], "upstream": "shop"}],
            }
        )
        before = await memory(envoy.admin_port)
        clients = [await connected(envoy.http_port, window=4096) for _ in range(CLIENTS)]
        try:
            for client in clients:
                await asyncio.get_running_loop().sock_sendall(client, REQUEST)
            return await most(envoy.admin_port, before) / CLIENTS
        finally:
            for client in clients:
                client.close()


async def memory(admin_port: int) -> int:
    url = f"http://127.0.0.1:{admin_port}/memory"
    answer = await asyncio.to_thread(requests.get, url, timeout=5)
    return int(answer.json()["allocated"])


async def most(admin_port: int, before: int) -> int:
    """The greatest growth, when there has been none for a while."""
    greatest, since = 0, time.monotonic()
    while not greatest or time.monotonic() - since < SETTLED_SECONDS:
        grown = await memory(admin_port) - before
        if grown > greatest:
            greatest, since = grown, time.monotonic()
    return greatest


@pytest.mark.parametrize("buffer_bytes", [65_536, 262_144])
def test_a_held_answer_takes_what_the_formula_says_at_most(tmp_path: Path, buffer_bytes: int) -> None:
    held = asyncio.run(held_by_readers(tmp_path, buffer_bytes))
    said = buffers(tier(limits={"buffer_bytes": buffer_bytes}), None).per_request
    assert 0.4 * said < held < OVERHEAD * said
