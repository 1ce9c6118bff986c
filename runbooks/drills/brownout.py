"""Brownout: one backend of three hangs, then all of them are slow.

Without ejection and limits requests wait in a queue without end; with them the hanging one is left out, and
what is too much is refused at once (7.3: the proxy must protect itself first; 9, runbook 5).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from lab.backends import HttpBackend
from lab.drills.load import Answer, Target, percentile, steady
from lab.drills.sampling import sampled
from lab.faults import Fault
from runbooks.domain.drills import Check, Measured, Plot, Row
from runbooks.drills.drill import Drill, Live, Side
from runbooks.drills.lab import Lab
from runbooks.drills.world import Envoy, World

HOST = "drill.test"
BACKENDS = ("api-a", "api-b", "api-c")
RATE, PHASE_SECONDS = 60.0, 6.0
PATIENCE_SECONDS = 4.0
GOOD_SECONDS = 2.0
"""An answer that came later than this helped nobody."""
CONNECTIONS = 12
"""Of the pool, on both sides: what the backends can take together."""
HANGING = Fault(latency_ms=6000)
SLOW = Fault(latency_ms=300)
"""12 connections then take 40 requests a second, of 60 that come."""
_UNBOUNDED = {"max_connections": CONNECTIONS, "max_pending_requests": 100_000, "max_requests": 100_000}
_SHORT = {"max_connections": CONNECTIONS, "max_pending_requests": 6, "max_requests": 512}


def _tier(backends: Sequence[HttpBackend], upstream: dict[str, Any], timeout: str) -> dict[str, Any]:
    endpoints = [{"name": each.name, "port": each.port} for each in backends]
    # In turn, on both sides: by requests in flight the hanging one would be avoided in part.
    api = {"name": "api", "endpoints": endpoints, "lb_policy": "round_robin", **upstream}
    route = {"name": "api", "hosts": [HOST], "upstream": "api", "timeout": timeout}
    return {"upstreams": [api], "routes": [{**route, "retry": {"attempts": 0}}], "access_log": "off"}


async def undefended(world: World) -> Measured:
    """No ejection, a queue without end, a timeout that nobody waits for."""
    upstream = {"circuit_breaker": _UNBOUNDED, "outlier_detection": {"enabled": False}}
    return await _play(world, upstream, "30s")


async def defended(world: World) -> Measured:
    """Ejection after three failures in a row, a short queue, a timeout of 800 ms."""
    outliers = {"consecutive_failures": 3, "base_ejection_time": "60s"}
    return await _play(world, {"circuit_breaker": _SHORT, "outlier_detection": outliers}, "800ms")


async def _play(world: World, upstream: dict[str, Any], timeout: str) -> Measured:
    backends = [await world.backend(name) for name in BACKENDS]
    edge = await world.envoy(_tier(backends, upstream, timeout))
    phase = world.seconds(PHASE_SECONDS)
    target = Target(edge.http_port, HOST, timeout=PATIENCE_SECONDS)
    async with sampled(lambda: edge.stat("cluster.api.upstream_rq_pending_active")) as queued:
        asking = asyncio.create_task(steady(target, rate=RATE, seconds=2 * phase, at_once=512))
        await _brown_out(backends, phase)
        answers = await asking
    return Measured(
        values={**_of_one(answers, phase), **_of_all(answers, phase), **await _of_proxy(edge, queued)},
        curves={"queued": queued},
    )


async def _brown_out(backends: Sequence[HttpBackend], phase: float) -> None:
    """One hangs from the start, and all are slow from half time on."""
    await backends[0].apply(HANGING)
    await asyncio.sleep(phase)
    for backend in backends[1:]:
        await backend.apply(SLOW)


def _of_one(answers: Sequence[Answer], phase: float) -> dict[str, float | None]:
    """While one hangs; the first half second may go to finding that out."""
    first = [answer for answer in answers if answer.sent_at < phase]
    return {"one_good": _good(first)}


def _of_all(answers: Sequence[Answer], phase: float) -> dict[str, float | None]:
    later = [answer for answer in answers if answer.sent_at >= phase]
    refused = [answer for answer in later if answer.status == 503]
    return {
        "all_good": _good(later),
        "all_p99": percentile((answer.seconds for answer in later), 0.99),
        "refused": len(refused),
        "refused_ms": percentile((1000 * answer.seconds for answer in refused), 0.5),
    }


def _good(answers: Sequence[Answer]) -> float | None:
    """Percent of the answers that were good and in time."""
    good = sum(answer.good and answer.seconds <= GOOD_SECONDS for answer in answers)
    return 100 * good / len(answers) if answers else None


async def _of_proxy(edge: Envoy, queued: Sequence[tuple[float, float | None]]) -> dict[str, float | None]:
    return {
        "queue": max(value for _, value in queued if value is not None),
        "ejected": await edge.stat("cluster.api.outlier_detection.ejections_enforced_total"),
    }


def judge(sides: Sequence[Measured]) -> list[Check]:
    bare, kept = sides
    return [
        Check(
            f"without it {bare.value('queue'):,.0f} requests queued in the proxy and one in a hundred took"
            f" {bare.value('all_p99'):.1f} s",
            bare.value("queue") > 50 and bare.value("all_p99") > GOOD_SECONDS,
        ),
        Check(
            f"with it the hanging backend was ejected, and {kept.value('one_good'):.0f} % were answered well"
            f" against {bare.value('one_good'):.0f} %",
            kept.value("ejected") >= 1 and kept.value("one_good") > bare.value("one_good") + 5,
        ),
        Check(
            f"with it at most {kept.value('queue'):.0f} queued, and what was too much was refused in"
            f" {kept.value('refused_ms'):.0f} ms",
            kept.value("queue") <= _SHORT["max_pending_requests"] and kept.value("refused_ms") < 100,
        ),
        Check(
            f"with it one in a hundred took {kept.value('all_p99'):.1f} s at most",
            kept.value("all_p99") <= 1.5,
        ),
    ]


@asynccontextmanager
async def failing_half(lab: Lab) -> AsyncIterator[None]:
    """One of the shop's two stable backends is slow and fails, and asks for no retry that would hide it."""
    async with lab.broken("shop-v1-a", latency_ms=200, error_rate=0.9, status=503):
        yield


DRILL = Drill(
    name="brownout",
    title="Upstream brownout",
    purpose="A slow backend is left out, and what the rest cannot take is refused at once, not queued.",
    source="9, runbook 5: upstream brownout",
    sides=(
        Side(
            "no ejection, no limit",
            "outlier detection off, an unbounded queue, a timeout of 30 s",
            undefended,
        ),
        Side("ejection, short queue", "ejected after 3 failures, 6 may queue, a timeout of 800 ms", defended),
    ),
    rows=(
        Row(
            "one_good",
            "answered well, one of three hangs",
            "%",
            "2xx or 3xx within 2 s, of all that were asked",
        ),
        Row(
            "all_good",
            "answered well, all three are slow",
            "%",
            "2xx or 3xx within 2 s, of all that were asked",
        ),
        Row(
            "all_p99",
            "slowest in a hundred, all are slow",
            "s",
            "99th percentile of waiting; clients leave after 4 s",
            1,
        ),
        Row(
            "queue",
            "longest queue in the proxy",
            "",
            "most of Envoy's upstream_rq_pending_active, 4 times a second",
        ),
        Row("refused", "refused at once", "", "answers 503 while all are slow"),
        Row("refused_ms", "a refusal took", "ms", "median of their waiting time"),
        Row("ejected", "ejections", "", "Envoy's outlier_detection.ejections_enforced_total"),
    ),
    plots=(Plot("queued", "Requests that wait in the proxy for a connection", ""),),
    judge=judge,
    live=Live(
        runbook="brownout",
        target="edge/upstream/shop-v1",
        says="9 of 10 requests fail at shop-v1-a, one of two backends, and take 200 ms more",
        inject=failing_half,
    ),
)
