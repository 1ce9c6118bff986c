"""Load of the drills: HTTP/1.1 to a port of the loopback address, bounded in number, at once and in time."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import h11

from lab.http import Connection, Response

LOOPBACK = "127.0.0.1"
MOST_REQUESTS = 20_000
MOST_AT_ONCE = 512
NO_ANSWER = 0
"""In place of a status: the connection failed, or the client's patience was over."""


class TooMuch(ValueError):
    """A drill asked for more load than drills may make."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask for what. `timeout` is the client's patience in seconds. Connections are kept for further
    requests, or not: then each request is a new client's, and needs what a proxy may have no more of.
    """

    port: int
    host: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0
    body: bytes = b""
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was sent, in seconds since the load began, and how it ended."""

    sent_at: float
    seconds: float
    status: int
    backend: str

    @property
    def good(self) -> bool:
        return 200 <= self.status < 400

    @property
    def ended_at(self) -> float:
        return self.sent_at + self.seconds


@dataclass(slots=True)
class Asker:
    """The connections of one load; each request has one of its own while it lasts."""

    target: Target
    began: float = field(default_factory=time.monotonic)
    idle: list[Connection] = field(default_factory=list)

    async def ask(self) -> Answer:
        sent = time.monotonic()
        status, backend = NO_ANSWER, ""
        with contextlib.suppress(OSError, h11.ProtocolError, TimeoutError):
            response = await asyncio.wait_for(self._exchange(), self.target.timeout)
            status, backend = response.status, response.headers.get("x-lab-backend", "")
        return Answer(sent - self.began, time.monotonic() - sent, status, backend)

    async def _exchange(self) -> Response:
        connection, target = await self._connection(), self.target
        headers = {"host": target.host, **target.headers}
        try:
            response = await connection.request(target.method, target.path, headers, target.body)
        except BaseException:
            connection.close()
            raise
        if target.kept:
            self.idle.append(connection)
        else:
            connection.close()
        return response

    async def _connection(self) -> Connection:
        while self.idle:
            connection = self.idle.pop()
            if connection.reusable:
                return connection
            connection.close()
        return await Connection.open(LOOPBACK, self.target.port)

    def close(self) -> None:
        for connection in self.idle:
            connection.close()


async def volley(target: Target, count: int, *, at_once: int) -> list[Answer]:
    """So many requests, at most `at_once` of them under way: the next is sent when one has ended.

    Raises TooMuch.
    """
    bound(count, at_once)
    pool, left, answers = Asker(target), count, list[Answer]()

    async def keep_asking() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            answers.append(await pool.ask())

    try:
        await asyncio.gather(*(keep_asking() for _ in range(min(at_once, count))))
    finally:
        pool.close()
    return answers


async def steady(target: Target, *, rate: float, seconds: float, at_once: int = 256) -> list[Answer]:
    """`rate` requests a second for so long, whether or not answers come; returns when all have ended.

    What would be more than `at_once` is not sent, and is an answer of NO_ANSWER at once. Raises TooMuch.
    """
    count = int(rate * seconds)
    bound(count, at_once)
    pool, sending = Asker(target), set[asyncio.Task[Answer]]()
    answers = list[Answer]()

    def keep(done: asyncio.Task[Answer]) -> None:
        sending.discard(done)
        if not done.cancelled():
            answers.append(done.result())

    try:
        for number in range(count):
            if (wait := pool.began + number / rate - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            if len(sending) >= at_once:
                answers.append(Answer(time.monotonic() - pool.began, 0.0, NO_ANSWER, ""))
                continue
            task = asyncio.create_task(pool.ask())
            sending.add(task)
            task.add_done_callback(keep)
        await asyncio.gather(*sending)
    finally:
        for task in sending:
            task.cancel()
        pool.close()
    return answers


def bound(count: int, at_once: int) -> None:
    """Raises TooMuch for more than drills may ask for."""
    if count > MOST_REQUESTS or at_once > MOST_AT_ONCE:
        raise TooMuch(f"at most {MOST_REQUESTS} requests, {MOST_AT_ONCE} at once; not {count}, {at_once}")


def percentile(values: Iterable[float], share: float) -> float | None:
    """The nearest-rank percentile, `share` from 0 to 1; None of no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
