"""gRPC hotspot: many streams over one connection end at one backend where connections are balanced.

Where streams are balanced, or where connections are ended in time, all backends share them (5).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from lab.backends import GreeterBackend
from lab.drills.balancer import balancing
from lab.drills.calls import calling, calls
from lab.drills.sampling import sampled
from runbooks.domain.drills import Check, Measured, Plot, Row
from runbooks.drills.drill import Drill, Live, Side
from runbooks.drills.lab import Lab
from runbooks.drills.world import World

HOST = "greeter.test"
BACKENDS = ("greeter-a", "greeter-b", "greeter-c")
CALLS, AT_ONCE = 600, 12
CYCLE = 25
"""Requests after which a connection is ended and another one is opened."""
EVEN_SKEW = 1.5
SERVICE_MS = 10.0
CALL_MS = 200.0
"""In the running lab: long enough that calls are in flight when they are counted."""
CLIENTS_CALLS = 6
SAMPLED_SECONDS = 0.02


def _tier(ports: Sequence[int], **connection: Any) -> dict[str, Any]:
    upstream = {
        "name": "greeter",
        "protocol": "http2",
        "endpoints": [{"port": port} for port in ports],
        "connection": connection,
        "outlier_detection": {"enabled": False},
    }
    route = {"name": "greeter", "hosts": [HOST], "upstream": "greeter", "timeout": "10s"}
    return {"upstreams": [upstream], "routes": [route], "access_log": "off"}


async def pinned(world: World) -> Measured:
    """A balancer of connections stands between the proxy and the backends."""
    backends = await _backends(world)
    balancer = await world.enter(balancing([each.port for each in backends]))
    return await _play(world, backends, _tier([balancer.port]))


async def stream_aware(world: World) -> Measured:
    """The proxy knows the backends and balances each stream."""
    backends = await _backends(world)
    return await _play(world, backends, _tier([each.port for each in backends]))


async def cycled(world: World) -> Measured:
    """The balancer of connections stays, and no connection lasts long."""
    backends = await _backends(world)
    balancer = await world.enter(balancing([each.port for each in backends]))
    return await _play(world, backends, _tier([balancer.port], max_requests_per_connection=CYCLE))


async def _backends(world: World) -> list[GreeterBackend]:
    return [await world.greeter(name, median_ms=SERVICE_MS) for name in BACKENDS]


async def _play(world: World, backends: Sequence[GreeterBackend], declared: dict[str, Any]) -> Measured:
    edge = await world.envoy(declared)
    async with sampled(lambda: _busiest_share(backends), every=SAMPLED_SECONDS) as busiest:
        answers = await calls(edge.http_port, HOST, count=world.count(CALLS), at_once=AT_ONCE)
    each = {backend.name: float(backend.counts.total) for backend in backends}
    return Measured(
        values={
            **each,
            "busiest": 100 * max(each.values()) / sum(each.values()),
            "skew": max(each.values()) * len(each) / sum(each.values()),
            "connections": await edge.stat("cluster.greeter.upstream_cx_total"),
            "failed": sum(not answer.good for answer in answers),
        },
        curves={"busiest": busiest[1:]},
    )


def _busiest_share(backends: Sequence[GreeterBackend]) -> float:
    """Percent of all calls so far."""
    totals = [backend.counts.total for backend in backends]
    return 100 * max(totals) / max(1, sum(totals))


def judge(sides: Sequence[Measured]) -> list[Check]:
    alone, balanced, cycling = sides
    return [
        Check(
            f"without it one backend got {alone.value('busiest'):.0f} % of the calls, the others idled",
            alone.value("skew") > 2.5,
        ),
        Check(
            f"with streams balanced the busiest got {balanced.value('skew'):.2f} times its share",
            balanced.value("skew") <= EVEN_SKEW,
        ),
        Check(
            f"with connections ended after {CYCLE} requests the busiest got {cycling.value('skew'):.2f} times"
            " its share",
            cycling.value("skew") <= EVEN_SKEW,
        ),
        Check("neither remedy cost a call", balanced.value("failed") == cycling.value("failed") == 0),
    ]


@asynccontextmanager
async def pin(lab: Lab) -> AsyncIterator[None]:
    """Everybody from one address goes to one greeter; calls are many, and take a while."""
    ports = [proxy.http_port for proxy in lab.tier.proxies]
    async with (
        lab.broken("greeter", latency_ms=CALL_MS),
        lab.declared(_by_address, _by_request, reason="drill grpc-hotspot"),
        calling(ports, HOST, at_once=CLIENTS_CALLS),
    ):
        yield


def _by_address(tier: dict[str, Any]) -> None:
    _greeter(tier).update({"lb_policy": "ring_hash", "hash_on": {"source_ip": True}})


def _by_request(tier: dict[str, Any]) -> None:
    for key in ("lb_policy", "hash_on"):
        _greeter(tier).pop(key, None)


def _greeter(tier: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in tier["upstreams"] if each["name"] == "greeter")
    return found


DRILL = Drill(
    name="grpc-hotspot",
    title="gRPC backend hotspot",
    purpose="Streams, not connections, are balanced: a long-lived HTTP/2 connection pins nobody.",
    source="5 HTTP/2 & gRPC Multiplexing",
    sides=(
        Side("connections balanced", "a TCP balancer before three backends", pinned),
        Side("streams balanced", "the proxy balances each stream over three backends", stream_aware),
        Side("connections cycled", f"a TCP balancer, each connection ends after {CYCLE} requests", cycled),
    ),
    rows=(
        *(Row(name, f"calls at {name}", "", "counted by the backend") for name in BACKENDS),
        Row("busiest", "share of the busiest backend", "%", "its calls / all calls"),
        Row("skew", "skew", "x", "calls of the busiest / mean of the backends; 1 is even", 2),
        Row("connections", "connections to the backends", "", "Envoy's upstream_cx_total"),
        Row("failed", "failed calls", "", "no status OK for the client"),
    ),
    plots=(Plot("busiest", "Share of the busiest backend so far", "%"),),
    judge=judge,
    live=Live(
        runbook="grpc-hotspot",
        target="edge/upstream/greeter",
        says="the greeter is balanced by client address, so that one endpoint gets every call",
        inject=pin,
        # While the remedy holds, only that there is no traffic to pin tells that the cause is gone: no more
        # than the lab's own 20 calls a second, to which the drill adds.
        policy={"min_rate": 35},
    ),
)
