"""Clients that ask for long answers and do not read them, over HTTP/1.1 and, many on each connection, over
HTTP/2.

The proxy takes from its backend what the client does not take from it (7.3: flow control, so that a slow
reader cannot force it to buffer without bound). Here there is room for every connection: what runs out is
memory, and a proxy without any refuses everybody.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from runbooks.domain.drills import Check, Measured, Plot, Row
from runbooks.drills import slow_clients
from runbooks.drills.drill import Drill, Live, Side
from runbooks.drills.lab import Lab
from runbooks.drills.slow_clients import NEVER, PLOTS, ROWS, SOON, Attackers, against_the_lab, play, tier
from runbooks.drills.world import World

ANSWER_BYTES = 400_000
"""Far below 1 MiB, from which on a proxy that is short of memory resets a stream for what it holds."""
ATTACKERS = Attackers("slow-reader", path=f"/?bytes={ANSWER_BYTES}", http1=30, http2=4)
"""Of the four on HTTP/2 each has fifty requests under way."""
IN_THE_LAB = Attackers("slow-reader", path="/?bytes=1000000", http1=60, http2=0, over=10)
HEAP = "80MiB"
MOST_MIB = 55.0
"""Of memory for 230 answers of 0.4 MB that nobody reads: at each there are 64 KiB to either side."""


async def undefended(world: World) -> Measured:
    """A whole answer fits into a buffer, and may stay there."""
    limits = {
        "buffer_bytes": 4 << 20,
        "per_connection_buffer_high_watermark_timeout": NEVER,
        "stream_flush_timeout": NEVER,
        "stream_idle_timeout": NEVER,
    }
    return await play(world, await _tier(world, limits, capped=False), ATTACKERS)


async def defended(world: World) -> Measured:
    """Small buffers that stop the backend, a time for readers, a number of connections for an address."""
    limits = {
        "per_connection_buffer_high_watermark_timeout": SOON,
        "stream_flush_timeout": SOON,
        "stream_idle_timeout": SOON,
    }
    # A route that waits for long lets requests pause for as long, unless it says otherwise.
    declared = await _tier(world, limits, capped=True, route={"idle_timeout": SOON})
    return await play(world, declared, ATTACKERS)


async def _tier(world: World, limits: Mapping[str, Any], *, capped: bool, **more: Any) -> dict[str, Any]:
    return await tier(world, limits, capped=capped, protection={"max_heap": HEAP}, **more)


def judge(sides: Sequence[Measured]) -> list[Check]:
    bare, defended = (side.value("memory") for side in sides)
    return [
        *slow_clients.judge(sides),
        Check(f"without it {bare:.0f} MiB were held, more than {MOST_MIB:g}", bare > MOST_MIB),
        Check(f"with it {defended:.0f} MiB were held, {MOST_MIB:g} at most", defended <= MOST_MIB),
    ]


@asynccontextmanager
async def unread(lab: Lab) -> AsyncIterator[None]:
    """The shop's route has time enough: else it is that which ends an answer that is not read, and the proxy
    tells of a slow backend.
    """
    async with (
        lab.declared(_patient, _as_before, reason="drill slow-reader"),
        against_the_lab(IN_THE_LAB)(lab),
    ):
        yield


def _patient(tier: dict[str, Any]) -> None:
    _shop(tier)["timeout"] = "30s"


def _as_before(tier: dict[str, Any]) -> None:
    _shop(tier).pop("timeout", None)


def _shop(tier: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(route for route in tier["routes"] if route["name"] == "shop")
    return found


DRILL = Drill(
    name="slow-reader",
    title="Slow readers",
    purpose="Clients that do not read their answers cost a bounded amount of memory, for a bounded time.",
    source="7.3 Slow-Client Resource Exhaustion",
    sides=(
        Side("large buffers", "an answer fits into a buffer of 4 MiB, without an end", undefended),
        Side("bounded", "64 KiB a connection, 1 s to read, 15 connections an address", defended),
    ),
    rows=(*ROWS, Row("memory", "memory more than before", "MiB", "the most of Envoy's memory_allocated", 1)),
    plots=(*PLOTS, Plot("memory", "Memory of the proxy", "MiB")),
    judge=judge,
    live=Live(
        runbook="slow-clients",
        target="edge",
        says="60 clients at one address do not read answers of 1 MB",
        inject=unread,
    ),
)
