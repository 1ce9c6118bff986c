"""What the drills of slow clients share: a proxy that takes so many connections, attackers at one address who
want more than those, and at another address clients who behave well and come anew with each request.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from lab import ports
from lab.drills.apart import told
from lab.drills.load import Answer, Target, percentile, steady
from lab.drills.sampling import Points, sampled
from proxy import counter
from proxy.domain.counting import OpenConnections
from runbooks.domain.drills import Check, Measured, Plot, Row
from runbooks.drills.drill import Inject
from runbooks.drills.lab import Lab
from runbooks.drills.world import Envoy, World

HOST, LAB_HOST = "drill.test", "shop.test"
ROOM = 60
"""Connections that the proxy takes. By default it is 10,000, which as many attackers fill in the same way."""
OVER_HTTP1, OVER_HTTP2 = 50, 30
"""Attackers."""
OF_ONE_ADDRESS = 15
WIDE = {"max_connections": 1024, "max_pending_requests": 1024, "max_requests": 1024}
"""No circuit opens: it is not the backend that runs short."""
ABUSER = "127.0.0.2"
RATE, SECONDS = 30.0, 8.0
PATIENCE_SECONDS = 1.0
SIEGE_SECONDS = 120
"""At most: the attackers are ended with their side."""
STEP_SECONDS, MOST_STEPS, SAME = 1.0, 15, 0.05
CONNECTIONS, MEMORY, MIB = "http.drill.downstream_cx_active", "server.memory_allocated", 1 << 20
NEVER, SOON = "1h", "1s"
"""A time that no attacker waits for, and one that makes the drill short: the defaults are 5 s and more."""
ANSWERED, LATE_MS, LOST = 98.0, 500.0, 50.0


@dataclass(frozen=True, slots=True)
class Attackers:
    """How many there are of a kind, what they ask for, and over how many seconds they begin."""

    kind: str
    path: str = "/"
    http1: int = OVER_HTTP1
    http2: int = OVER_HTTP2
    over: float = 0.0


ROWS = (
    Row("answered", "answered of the well-behaved", "%", "2xx or 3xx within 1 s, of 30 requests a second", 1),
    Row("p99", "slowest in a hundred of those", "ms", "from before the connection to the end of the answer"),
    Row(
        "held",
        "connections at the proxy",
        "",
        "median of Envoy's downstream_cx_active while the well-behaved ask",
    ),
    Row(
        "turned_away",
        "connections refused by their number",
        "",
        "downstream_cx_overflow, and the cap's denials",
    ),
    Row("cut", "requests cut for their slowness", "", "Sluice's own count, reason slow_client"),
)
PLOTS = (Plot("held", "Connections at the proxy", ""),)


async def tier(world: World, limits: Mapping[str, Any], *, capped: bool, **more: Any) -> dict[str, Any]:
    """A declared tier before one backend, with at most ROOM connections; `capped` is by address as well."""
    backend = await world.backend("shop-a")
    upstream = {"name": "shop", "endpoints": [{"port": backend.port}], "circuit_breaker": WIDE}
    route = {"name": "shop", "hosts": [HOST], "upstream": "shop", "timeout": "30s", **more.pop("route", {})}
    limits = {"max_connections": ROOM, **limits}
    protection = dict(more.pop("protection", {}))
    if capped:
        limits["max_connections_per_address"] = OF_ONE_ADDRESS
        protection["connection_counter"] = {"port": await world.enter(_counter())}
    return {
        "upstreams": [upstream],
        "routes": [route],
        "limits": limits,
        "protection": protection,
        "access_log": "off",
        **more,
    }


@asynccontextmanager
async def _counter() -> AsyncIterator[int]:
    """The port of a companion that counts connections by address."""
    (port,) = ports.free(1)
    server = await counter.start(f"127.0.0.1:{port}", OpenConnections(10 * ROOM))
    try:
        yield port
    finally:
        await server.stop(None)


async def play(world: World, declared: Mapping[str, Any], attackers: Attackers) -> Measured:
    """The attackers come first and stay to the end."""
    edge = await world.envoy(declared)
    before = await edge.stat(MEMORY)
    target = Target(edge.http_port, HOST, timeout=PATIENCE_SECONDS, kept=False)
    async with (
        sampled(lambda: edge.stat(CONNECTIONS)) as held,
        sampled(lambda: edge.stat(MEMORY)) as memory,
        _besieged(attackers, edge),
    ):
        began = len(held)
        answers = await steady(target, rate=RATE, seconds=world.seconds(SECONDS))
        ended = len(held)
    return Measured(
        values={
            **_of_well_behaved(answers),
            "held": statistics.median(_values(held[began:ended])),
            "turned_away": await _turned_away(edge),
            "cut": await edge.stat(r"sluice\.rq\..*\.reason\.slow_client"),
            "memory": (max(_values(memory)) - before) / MIB,
        },
        curves={"held": held, "memory": [(at, v and v / MIB) for at, v in memory]},
    )


@asynccontextmanager
async def _besieged(attackers: Attackers, edge: Envoy) -> AsyncIterator[None]:
    """Entered when they have what they can get. Raises ToolFailed where they did not hold out."""
    async with _attacking(_sieges(attackers, edge.http_port, HOST)):
        await _settled(edge)
        yield


def against_the_lab(attackers: Attackers) -> Inject:
    """The attackers at the first proxy of the running lab, from an address of their own."""

    @asynccontextmanager
    async def inject(lab: Lab) -> AsyncIterator[None]:
        async with _attacking(_sieges(attackers, lab.tier.proxies[0].http_port, LAB_HOST)):
            yield

    return inject


@asynccontextmanager
async def _attacking(argvs: Sequence[Sequence[str]]) -> AsyncIterator[None]:
    sieges = [asyncio.create_task(told("lab.drills.siege", *argv)) for argv in argvs]
    try:
        yield
    finally:
        broken = [siege for siege in sieges if siege.done()]
        for siege in sieges:
            siege.cancel()
        await asyncio.wait(sieges)
    for siege in broken:
        siege.result()  # it ended before its time: why


async def _settled(edge: Envoy) -> None:
    """Until there are connections, and neither they nor the memory grow any more, but not for ever."""
    before = (0, 0)
    for _ in range(MOST_STEPS):
        await asyncio.sleep(STEP_SECONDS)
        now = (await edge.stat(CONNECTIONS), await edge.stat(MEMORY))
        if now[0] and all(abs(a - b) <= SAME * a for a, b in zip(now, before, strict=True)):
            return
        before = now


def _sieges(attackers: Attackers, port: int, host: str) -> list[list[str]]:
    """One for each protocol that there are attackers of."""
    shared = [attackers.kind, f"--port={port}", f"--host={host}", f"--path={attackers.path}"]
    shared += [f"--seconds={SIEGE_SECONDS}", f"--source={ABUSER}", f"--over={attackers.over}"]
    found = [[*shared, f"--count={attackers.http1}"]] if attackers.http1 else []
    if attackers.http2:
        found.append([*shared, f"--count={attackers.http2}", "--http2"])
    return found


def _values(points: Points) -> list[float]:
    return [value for _, value in points if value is not None]


def _of_well_behaved(answers: Sequence[Answer]) -> dict[str, float | None]:
    good = [1000 * answer.seconds for answer in answers if answer.good]
    return {"answered": 100 * len(good) / len(answers), "p99": percentile(good, 0.99)}


async def _turned_away(edge: Envoy) -> int:
    overflow = await edge.stat(r"listener\..*\.downstream_cx_overflow")
    return overflow + await edge.stat(r"ext_authz\.sluice_connections\.denied")


def judge(sides: Sequence[Measured]) -> list[Check]:
    """Of the first side and the last; what is between them is there to be compared."""
    bare, defended = sides[0], sides[-1]
    lost, answered = bare.value("answered"), defended.value("answered")
    return [
        Check(f"without it {lost:.1f} % of the well-behaved were answered, {LOST:g} at most", lost <= LOST),
        Check(f"with it {answered:.1f} % were answered, {ANSWERED:g} at least", answered >= ANSWERED),
        Check(
            f"with it an answer took {defended.value('p99'):,.0f} ms, {LATE_MS:g} at most",
            defended.value("p99") <= LATE_MS,
        ),
    ]
