"""Slowloris: clients whose headers never end, over HTTP/1.1 and HTTP/2.

Each holds a connection of the proxy for nothing (7.3). A time for headers takes it back, but who was cut
comes again; only together with a cap for each address there is room for others.
"""

from runbooks.domain.drills import Measured
from runbooks.drills.drill import Drill, Live, Side
from runbooks.drills.slow_clients import (
    NEVER,
    PLOTS,
    ROWS,
    SOON,
    Attackers,
    against_the_lab,
    judge,
    play,
    tier,
)
from runbooks.drills.world import World

ATTACKERS = Attackers("slow-header")
IN_THE_LAB = Attackers("slow-header", http1=40, http2=20, over=5)


async def undefended(world: World) -> Measured:
    """Headers may take for ever."""
    declared = await tier(world, {"request_headers_timeout": NEVER}, capped=False)
    return await play(world, declared, ATTACKERS)


async def timed(world: World) -> Measured:
    """Headers have their time, and nobody counts addresses."""
    declared = await tier(world, {"request_headers_timeout": SOON}, capped=False)
    return await play(world, declared, ATTACKERS)


async def defended(world: World) -> Measured:
    """Headers have their time, and an address its number of connections."""
    declared = await tier(world, {"request_headers_timeout": SOON}, capped=True)
    return await play(world, declared, ATTACKERS)


DRILL = Drill(
    name="slow-header",
    title="Slow headers (Slowloris)",
    purpose="Clients that never end their headers hold few connections, and none for long.",
    source="7.3 Slow-Client Resource Exhaustion",
    sides=(
        Side("no defence", "60 connections, no time for headers", undefended),
        Side("a time only", "headers within 1 s; the same 60 connections for everybody", timed),
        Side("a time and a cap", "headers within 1 s, 15 connections an address", defended),
    ),
    rows=ROWS,
    plots=PLOTS,
    judge=judge,
    live=Live(
        runbook="slow-clients",
        target="edge",
        says="60 clients at one address never end their headers",
        inject=against_the_lab(IN_THE_LAB),
    ),
)
