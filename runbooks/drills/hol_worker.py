"""Head-of-line blocking in a worker of the proxy: a worker is one thread, and while it works on one client's
large body every other connection that it serves stands still (7.2).

More workers leave the others' connections alone, so that fewer clients are hurt, and those as much; how many
depends on how connections are spread over the workers. What may be held and worked on at once
(`limits.buffer_bytes`) bounds the work itself.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from lab.drills.load import Answer, Target, percentile
from lab.drills.pinned import pinned
from runbooks.domain.drills import Check, Measured, Plot, Row
from runbooks.drills.drill import Drill, Side
from runbooks.drills.world import World

FAST, HEAVY = "fast.test", "heavy.test"
CONNECTIONS, RATE, SECONDS = 12, 10.0, 6.0
"""Of the others, and what each asks in a second."""
HEAVY_RATE = 1.0
HEAVY_BYTES = 4 << 20
LEAD_SECONDS = 1.0
"""The others have their connections, spread over the workers, before the large bodies come."""
PATIENCE_SECONDS = 10.0
STALLED_MS = 200.0
LARGE = 16 << 20


def heavy_body() -> bytes:
    """JSON of some 4 MiB of which the proxy is to take one field, for which it reads all of it."""
    lines = [{"id": number, "tags": ["a", "b", "c"], "price": 1.5} for number in range(HEAVY_BYTES // 55)]
    return json.dumps({"user": "ann", "lines": lines}).encode()


async def undefended(world: World) -> Measured:
    """One worker, and bodies of 16 MiB are held and changed."""
    return await _play(world, {"limits": {"buffer_bytes": LARGE}})


async def two_workers(world: World) -> Measured:
    """The same on two workers; the kernel spreads connections by a hash of their ports."""
    return await _play(world, {"limits": {"buffer_bytes": LARGE}}, workers=2)


async def balanced(world: World) -> Measured:
    """The same on two workers, of which each has as many connections as the other."""
    exact = {"connection_balance": "exact"}
    return await _play(world, {"limits": {"buffer_bytes": LARGE}, "protection": exact}, workers=2)


async def bounded(world: World) -> Measured:
    """One worker, and no body larger than the default of 64 KiB is worked on: 413."""
    return await _play(world, {})


async def _play(world: World, declared: dict[str, Any], *, workers: int = 1) -> Measured:
    backend = await world.backend("api-a")
    edge = await world.envoy({**_tier(backend.port), **declared}, workers=workers)
    heavy = Target(
        edge.http_port,
        HEAVY,
        method="POST",
        headers={"content-type": "application/json"},
        body=heavy_body(),
        timeout=PATIENCE_SECONDS,
    )
    fast = Target(edge.http_port, FAST, timeout=PATIENCE_SECONDS)
    seconds = world.seconds(SECONDS)
    async with asyncio.TaskGroup() as asking:
        load = pinned(fast, connections=CONNECTIONS, rate=RATE, seconds=LEAD_SECONDS + seconds)
        others = asking.create_task(load)
        await asyncio.sleep(LEAD_SECONDS)
        bodies = asking.create_task(pinned(heavy, connections=1, rate=HEAVY_RATE, seconds=seconds))
    (changed,) = bodies.result()
    refused = await edge.stat(r"sluice\.rq\..*\.reason\.too_large")
    return _measured(others.result(), changed, refused)


def _tier(port: int) -> dict[str, Any]:
    taken = {"replace": {"user": "%REQUEST_BODY(user)%"}}
    routes = [
        {"name": "fast", "hosts": [FAST], "upstream": "api"},
        {"name": "heavy", "hosts": [HEAVY], "upstream": "api", "request_body": taken},
    ]
    upstreams = [{"name": "api", "endpoints": [{"port": port}]}]
    return {"upstreams": upstreams, "routes": routes, "access_log": "off"}


def _measured(others: Sequence[Sequence[Answer]], changed: Sequence[Answer], refused: int) -> Measured:
    every = [answer for connection in others for answer in connection]
    stalled = [connection for connection in others if _ms(connection, 1.0) > STALLED_MS]
    return Measured(
        values={
            "p50": _ms(every, 0.5),
            "p99": _ms(every, 0.99),
            "worst": _ms(every, 1.0),
            "stalled": len(stalled),
            "failed": sum(not answer.good for answer in every),
            "heavy_done": sum(answer.good for answer in changed),
            "heavy_refused": refused,
        },
        curves={"took": sorted((answer.ended_at, 1000 * answer.seconds) for answer in every)},
    )


def _ms(answers: Sequence[Answer], share: float) -> float:
    return 1000 * (percentile((answer.seconds for answer in answers), share) or 0.0)


def judge(sides: Sequence[Measured]) -> list[Check]:
    bare, spread, balanced, defended = sides
    return [
        Check(
            f"without it every other connection stood still, for {bare.value('worst'):,.0f} ms at worst",
            bare.value("stalled") == CONNECTIONS and bare.value("p99") > STALLED_MS,
        ),
        Check(
            f"on two workers {spread.value('stalled'):.0f} of {CONNECTIONS} connections stood still",
            spread.value("stalled") < CONNECTIONS,
        ),
        Check(
            f"on two that are balanced {balanced.value('stalled'):.0f} did, about half",
            abs(balanced.value("stalled") - CONNECTIONS / 2) <= 1,
        ),
        Check(
            f"with bodies bounded the slowest in a hundred took {defended.value('p99'):,.0f} ms, "
            f"{STALLED_MS:g} at most",
            defended.value("p99") <= STALLED_MS and defended.value("failed") == 0,
        ),
    ]


DRILL = Drill(
    name="hol-worker",
    title="Head-of-line blocking in a worker",
    purpose="One client's large body holds up nobody else at the proxy.",
    source="7.2 Head-of-Line Blocking: the proxy's worker",
    sides=(
        Side("large bodies", "one worker, which changes bodies of 4 MiB", undefended),
        Side("two workers", "the same bodies, twice the workers", two_workers),
        Side("two, balanced", "the same, as many connections on each", balanced),
        Side("bounded bodies", "one worker; more than 64 KiB is refused (413)", bounded),
    ),
    rows=(
        Row(
            "p50",
            "median of the others",
            "ms",
            "12 connections with 10 requests a second each, as they are due",
            1,
        ),
        Row("p99", "slowest in a hundred of the others", "ms", "99th percentile of the same"),
        Row("worst", "slowest of the others", "ms", "the most of the same"),
        Row("stalled", "connections that stood still", "of 12", "on which a request took more than 200 ms"),
        Row("failed", "requests of the others that failed", "", "no 2xx or 3xx"),
        Row("heavy_done", "large bodies changed", "", "2xx or 3xx"),
        Row("heavy_refused", "large bodies refused", "", "Sluice's own count, reason too_large"),
    ),
    plots=(Plot("took", "What a request of the others took", "ms"),),
    judge=judge,
)
