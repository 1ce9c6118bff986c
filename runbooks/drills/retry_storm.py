"""Retry storm: three layers that try three times each, made real by a chain of three proxies, against one
layer with a budget.

The document's arithmetic (7.1): attempts ^ layers = 3 x 3 x 3 = 27 requests at the last backend for one of a
client. A budget of b first attempts' retries bounds it to 1 + b, whatever fails.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from lab.drills.load import Target, percentile, volley
from lab.drills.sampling import sampled
from lab.faults import Fault
from runbooks.domain.drills import Check, Measured, Plot, Row
from runbooks.drills.drill import Drill, Live, Side
from runbooks.drills.lab import Lab
from runbooks.drills.world import Envoy, World

HOST = "drill.test"
LAYERS, ATTEMPTS = 3, 3
REQUESTS, AT_ONCE = 120, 40
SERVICE_MS = 60.0
"""Long enough that the requests of all clients are in flight together: a budget is a share of those."""
UNBOUNDED = {"percent": 100, "min_concurrency": 10_000}
BUDGET = {"percent": 20, "min_concurrency": 0}
NO_RETRIES = {"attempts": 0}
TRIED = {"attempts": ATTEMPTS - 1, "back_off": "5ms", "max_back_off": "10ms"}
MOST = 1.2
"""1 and the budget's 20 %."""
ROOM = {"max_connections": 2048, "max_pending_requests": 2048, "max_requests": 2048}
"""Wide enough that no circuit opens: it is retries alone that the two sides differ in."""
FAILING = Fault(error_rate=1.0, status=503, retry_after=0)


def layer(next_port: int, *, retry: dict[str, Any], budget: dict[str, Any]) -> dict[str, Any]:
    """One proxy of the chain."""
    upstream = {
        "name": "next",
        "endpoints": [{"port": next_port}],
        "circuit_breaker": ROOM,
        "retry_budget": budget,
        "lb_policy": "round_robin",
    }
    route = {"name": "chain", "hosts": [HOST], "upstream": "next", "timeout": "30s", "retry": retry}
    return {"upstreams": [upstream], "routes": [route], "access_log": "off"}


async def chain(world: World, backend_port: int, layers: Sequence[dict[str, Any]]) -> Envoy:
    """Proxies in a row, the first of `layers` nearest to the client, which is returned."""
    port = backend_port
    for declared in reversed(layers):
        nearest = await world.envoy(layer(port, **declared))
        port = nearest.http_port
    return nearest


async def _play(world: World, layers: Sequence[dict[str, Any]]) -> Measured:
    backend = await world.backend("backend-a", median_ms=SERVICE_MS, fault=FAILING)
    edge = await chain(world, backend.port, layers)
    target = Target(edge.http_port, HOST, timeout=60.0)
    async with sampled(lambda: backend.counts.total) as reached:
        answers = await volley(target, world.count(REQUESTS), at_once=AT_ONCE)
    return Measured(
        values={
            "asked": len(answers),
            "reached": backend.counts.total,
            "amplification": backend.counts.total / len(answers),
            "failed": sum(not answer.good for answer in answers),
            "p99": percentile((1000 * answer.seconds for answer in answers), 0.99),
        },
        curves={"reached": reached},
    )


async def undefended(world: World) -> Measured:
    """Every layer tries three times, and nothing bounds it."""
    return await _play(world, [{"retry": TRIED, "budget": UNBOUNDED}] * LAYERS)


async def defended(world: World) -> Measured:
    """The layer nearest to the client tries again, within a budget; the others never do."""
    quiet = {"retry": NO_RETRIES, "budget": BUDGET}
    return await _play(world, [{"retry": TRIED, "budget": BUDGET}, *[quiet] * (LAYERS - 1)])


def judge(sides: Sequence[Measured]) -> list[Check]:
    bare, bounded = (side.value("amplification") for side in sides)
    worst = ATTEMPTS**LAYERS
    return [
        Check(
            f"without it each request became {bare:.1f}: {ATTEMPTS} x {ATTEMPTS} x {ATTEMPTS} = {worst}",
            bare > 0.9 * worst,
        ),
        Check(f"with it each request became {bounded:.2f}, at most {MOST:g}", bounded <= MOST),
    ]


@asynccontextmanager
async def storm(lab: Lab) -> AsyncIterator[None]:
    """The shop's stable backends refuse nearly everything and ask for every retry."""
    async with lab.broken("shop-v1", error_rate=0.9, status=503, retry_after=0):
        yield


DRILL = Drill(
    name="retry-storm",
    title="Retry storm",
    purpose="Three layers that try three times make 27 requests of one, at a backend that fails already.",
    source="7.1 Retry Amplification",
    sides=(
        Side("three layers retry", "3 tries at each of 3 proxies, no budget", undefended),
        Side("one layer, budgeted", "3 tries at the first proxy within 20 %, none behind it", defended),
    ),
    rows=(
        Row("asked", "requests of clients", "", "sent by the drill to the first proxy"),
        Row("reached", "requests at the backend", "", "counted by the backend, whose every answer is 503"),
        Row("amplification", "amplification", "x", "requests at the backend / requests of clients", digits=2),
        Row("failed", "failed for clients", "", "answers that are no 2xx or 3xx: retries could mend none"),
        Row("p99", "slowest in a hundred", "ms", "99th percentile of the clients' waiting time"),
    ),
    plots=(Plot("reached", "Requests that have reached the failing backend", ""),),
    judge=judge,
    live=Live(
        runbook="retry-storm",
        target="edge/route/shop",
        says="9 of 10 requests fail at shop-v1 with a 503 that asks for a retry",
        inject=storm,
    ),
)
