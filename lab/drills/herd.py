"""A herd of TLS clients that come all at once: each may bring the session of an earlier connection."""

import asyncio
import json
import ssl
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import h11

from lab.drills.load import LOOPBACK, MOST_AT_ONCE, TooMuch, bound
from lab.http import Connection
from lab.lanes import ResumingContext, client_tls

PATIENCE_SECONDS = 15.0
MOST_A_SECOND, MOST_SECONDS = 400.0, 300.0


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
    tls = await _ask(client, port, host)
    # With TLS 1.3 the ticket comes behind the handshake, with the answer at the latest.
    client.session = tls.session
    return bool(tls.session_reused)


async def _ask(client: ResumingContext, port: int, host: str) -> ssl.SSLObject:
    """One connection and one request; the connection's TLS as it was at its end."""
    connection = await Connection.open(LOOPBACK, port, client, host)
    try:
        await connection.request("GET", "/", {"host": host})
        if connection.tls is None:
            raise ConnectionError("no TLS")
        return connection.tls
    finally:
        connection.close()


async def storm(port: int, host: str, ca_file: str, *, rate: float, seconds: float) -> Counter[str]:
    """`rate` new connections a second for so long, none of which brings a session; how many `came` through,
    and how many `failed`.

    Raises TooMuch, and OSError without the file.
    """
    if rate > MOST_A_SECOND or seconds > MOST_SECONDS:
        raise TooMuch(
            f"at most {MOST_A_SECOND:g} a second for {MOST_SECONDS:g} s, not {rate:g} for {seconds:g}"
        )
    stranger, seen = client_tls(ca_file), Counter[str]()
    under_way = set[asyncio.Task[None]]()

    async def come_once() -> None:
        try:
            await asyncio.wait_for(_ask(stranger, port, host), PATIENCE_SECONDS)
        except (OSError, h11.ProtocolError, TimeoutError):
            seen["failed"] += 1
        else:
            seen["came"] += 1

    began = time.monotonic()
    for number in range(int(rate * seconds)):
        if (wait := began + number / rate - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        if len(under_way) < MOST_AT_ONCE:
            task = asyncio.create_task(come_once())
            under_way.add(task)
            task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    return seen


def main(port: str, host: str, ca_file: str, rate: str, seconds: str) -> None:
    """`python -m lab.drills.herd PORT HOST CA_FILE RATE SECONDS`: a storm; what became of it as JSON."""
    seen = asyncio.run(storm(int(port), host, ca_file, rate=float(rate), seconds=float(seconds)))
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
