"""A herd of TLS clients that come all at once: each may bring the session of an earlier connection."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import h11

from lab.drills.load import LOOPBACK, bound
from lab.http import Connection
from lab.lanes import ResumingContext, client_tls

PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One client's connection: when its answer was there, in seconds since the herd set off, and how.

    `resumed` is None where no connection came about, or no answer.
    """

    at: float
    resumed: bool | None


def clients(count: int, ca_file: str) -> list[ResumingContext]:
    """Clients that have been nowhere yet. Raises OSError without the file."""
    return [client_tls(ca_file) for _ in range(count)]


async def come(herd: Sequence[ResumingContext], port: int, host: str, *, at_once: int) -> list[Arrival]:
    """Each client connects once with what session it has, asks for `/`, keeps the new session, and leaves.

    Raises TooMuch.
    """
    bound(len(herd), at_once)
    began, waiting, arrivals = time.monotonic(), list(reversed(herd)), list[Arrival]()

    async def keep_coming() -> None:
        while waiting:
            resumed = await _one(waiting.pop(), port, host)
            arrivals.append(Arrival(time.monotonic() - began, resumed))

    await asyncio.gather(*(keep_coming() for _ in range(at_once)))
    return arrivals


async def _one(client: ResumingContext, port: int, host: str) -> bool | None:
    try:
        return await asyncio.wait_for(_visit(client, port, host), PATIENCE_SECONDS)
    except (OSError, h11.ProtocolError, TimeoutError):
        return None


async def _visit(client: ResumingContext, port: int, host: str) -> bool:
    connection = await Connection.open(LOOPBACK, port, client, host)
    try:
        await connection.request("GET", "/", {"host": host})
        tls = connection.tls
        if tls is None:
            raise ConnectionError("no TLS")
        # With TLS 1.3 the ticket comes behind the handshake, with the answer at the latest.
        client.session = tls.session
        return bool(tls.session_reused)
    finally:
        connection.close()
