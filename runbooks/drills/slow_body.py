"""Clients that announce a body and send a byte of it now and then, over HTTP/1.1 and HTTP/2.

There is always progress, so that no idle timeout ends them: only a time for the whole request does (7.3).
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

ATTACKERS = Attackers("slow-body")
IN_THE_LAB = Attackers("slow-body", http1=80, http2=40, over=30)
"""They begin over as long as a request may last there, so that some are cut at any time from then on."""


async def undefended(world: World) -> Measured:
    """A stream without progress is ended soon, and there always is some."""
    limits = {"request_timeout": NEVER, "stream_idle_timeout": SOON}
    return await play(world, await tier(world, limits, capped=False), ATTACKERS)


async def defended(world: World) -> Measured:
    """The whole request has its time, and an address its number of connections."""
    limits = {"request_timeout": SOON, "stream_idle_timeout": SOON}
    return await play(world, await tier(world, limits, capped=True), ATTACKERS)


DRILL = Drill(
    name="slow-body",
    title="Slow bodies",
    purpose="Clients that send a byte now and then are cut, though there is always progress.",
    source="7.3 Slow-Client Resource Exhaustion",
    sides=(
        Side("an idle timeout only", "60 connections; 1 s without progress ends a request", undefended),
        Side("a time and a cap", "a request within 1 s, 15 connections an address", defended),
    ),
    rows=ROWS,
    plots=PLOTS,
    judge=judge,
    live=Live(
        runbook="slow-clients",
        target="edge",
        says="120 clients at one address send a byte of a body now and then",
        inject=against_the_lab(IN_THE_LAB),
    ),
)
