"""Head-of-line blocking behind a slow dependency: one pool for two dependencies, against a pool for each, as
bulkheads (7.2: isolate with per-upstream connection pools).

On both sides the edge reaches both services by way of one internal gateway, over as many connections.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from lab.drills.load import Answer, Target, percentile, steady
from lab.drills.sampling import sampled
from lab.faults import Fault
from runbooks.domain.drills import Check, Measured, Plot, Row
from runbooks.drills.drill import Drill, Side
from runbooks.drills.world import World

FAST, SLOW = "fast.test", "slow.test"
CONNECTIONS = 16
FAST_RATE, SLOW_RATE, SECONDS = 40.0, 25.0, 5.0
SLOW_MS = 1500.0
PATIENCE_SECONDS = 3.0
UNHURT_MS = 250.0
"""What a request of the fast service may take beside the slow one: it takes a few ms alone."""


def _pool(name: str, port: int, connections: int) -> dict[str, Any]:
    room = {"max_connections": connections, "max_pending_requests": 2048, "max_requests": 2048}
    return {"name": name, "endpoints": [{"port": port}], "circuit_breaker": room}


def _route(host: str, upstream: str) -> dict[str, Any]:
    name = host.partition(".")[0]
    return {"name": name, "hosts": [host], "upstream": upstream, "timeout": "30s", "retry": {"attempts": 0}}


async def _gateway(world: World) -> int:
    """The port of the proxy that is in front of both services."""
    fast = await world.backend("fast-a")
    slow = await world.backend("slow-a", fault=Fault(latency_ms=SLOW_MS))
    upstreams = [_pool("fast", fast.port, 512), _pool("slow", slow.port, 512)]
    routes = [_route(FAST, "fast"), _route(SLOW, "slow")]
    return (await world.envoy({"upstreams": upstreams, "routes": routes, "access_log": "off"})).http_port


async def undefended(world: World) -> Measured:
    """One pool leads to both services."""
    gateway = await _gateway(world)
    pools = [_pool("shared", gateway, CONNECTIONS)]
    return await _play(world, pools, [_route(FAST, "shared"), _route(SLOW, "shared")], of_fast="shared")


async def defended(world: World) -> Measured:
    """Each service has half of the connections, and no more."""
    gateway = await _gateway(world)
    pools = [_pool(name, gateway, CONNECTIONS // 2) for name in ("fast", "slow")]
    return await _play(world, pools, [_route(FAST, "fast"), _route(SLOW, "slow")], of_fast="fast")


async def _play(
    world: World, pools: Sequence[dict[str, Any]], routes: Sequence[dict[str, Any]], *, of_fast: str
) -> Measured:
    edge = await world.envoy({"upstreams": list(pools), "routes": list(routes), "access_log": "off"})
    seconds = world.seconds(SECONDS)
    async with sampled(lambda: edge.stat(f"cluster.{of_fast}.upstream_rq_pending_active")) as queued:
        fast, slow = await asyncio.gather(
            steady(Target(edge.http_port, FAST, timeout=PATIENCE_SECONDS), rate=FAST_RATE, seconds=seconds),
            steady(Target(edge.http_port, SLOW, timeout=PATIENCE_SECONDS), rate=SLOW_RATE, seconds=seconds),
        )
    return Measured(
        values={
            "fast_p50": percentile(_ms(fast), 0.5),
            "fast_p99": percentile(_ms(fast), 0.99),
            "fast_late": 100 * sum(not each.good or each.seconds > 1 for each in fast) / len(fast),
            "slow_p50": percentile(_ms(slow), 0.5),
            "queue": max(value for _, value in queued if value is not None),
        },
        curves={"fast": [(each.ended_at, 1000 * each.seconds) for each in sorted(fast, key=_ended)]},
    )


def _ms(answers: Sequence[Answer]) -> list[float]:
    return [1000 * each.seconds for each in answers]


def _ended(answer: Answer) -> float:
    return answer.ended_at


def judge(sides: Sequence[Measured]) -> list[Check]:
    shared, apart = sides
    return [
        Check(
            f"without it the fast service took {shared.value('fast_p99'):,.0f} ms behind the slow one",
            shared.value("fast_p99") > 4 * UNHURT_MS,
        ),
        Check(
            f"with it the fast service took {apart.value('fast_p99'):,.0f} ms, {UNHURT_MS:g} at most",
            apart.value("fast_p99") <= UNHURT_MS,
        ),
        Check(
            f"with it {apart.value('fast_late'):.1f} % came late or not at all", apart.value("fast_late") < 1
        ),
    ]


DRILL = Drill(
    name="hol-backend",
    title="Head-of-line blocking behind a slow backend",
    purpose="A slow dependency fills its own pool of connections, and nobody else's.",
    source="7.2 Head-of-Line Blocking: a slow shared dependency",
    sides=(
        Side("one shared pool", f"{CONNECTIONS} connections for both services", undefended),
        Side("a pool each", f"{CONNECTIONS // 2} connections for each service", defended),
    ),
    rows=(
        Row("fast_p50", "fast service, median", "ms", "what its clients waited, of its 40 requests a second"),
        Row("fast_p99", "fast service, slowest in a hundred", "ms", "99th percentile of the same"),
        Row("fast_late", "fast service, late or failed", "%", "no answer within 1 s, or no 2xx or 3xx", 1),
        Row("slow_p50", "slow service, median", "ms", "its backend takes 1.5 s; 25 requests a second"),
        Row(
            "queue",
            "longest queue of the fast service's pool",
            "",
            "most of Envoy's upstream_rq_pending_active",
        ),
    ),
    plots=(Plot("fast", "What a request of the fast service took", "ms"),),
    judge=judge,
)
