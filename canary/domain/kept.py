"""What is kept of a tick, so that it can be judged again: what the judge was given, and what it found.

All of it is JSON values. Floats come back with every bit, counts as they were scraped, by proxy.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from canary.domain import family
from canary.domain.family import Family, FamilyTick, Standing
from canary.domain.judge import Limits, Tick, e_value
from canary.domain.metrics import DEFAULT, Metric
from canary.domain.odds import Cell

# From time to time the evidence itself is kept beside a tick, so that older ticks can be forgotten.
CHECKPOINT_EVERY = 600


def dump_tick(tick: FamilyTick) -> dict[str, Any]:
    """Each part's counts by proxy (see `family`), in the order of Cell."""
    return {part: {proxy: list(cell) for proxy, cell in one.cells.items()} for part, one in tick.items()}


def load_tick(at: float, saved: Mapping[str, Any]) -> FamilyTick:
    """What `dump_tick` gave, as the tick that ended at `at` (unix seconds)."""
    return {
        part: Tick(at, {proxy: Cell(*counts) for proxy, counts in cells.items()})
        for part, cells in saved.items()
    }


def figures(
    weighed: Family, tick: FamilyTick, limits: Limits, metrics: Sequence[Metric] = DEFAULT
) -> dict[str, Any]:
    """What a tick came to, by metric: both arms' counts in it, and what all evidence up to it says.

    Of a latency: the counts slower than `edge` (microseconds), the one that speaks loudest for FAIL.
    """
    return {one.metric.name: _figures(one, tick) for one in family.standings(weighed, limits, metrics)}


def _figures(one: Standing, tick: FamilyTick) -> dict[str, Any]:
    reading, counts = one.reading, tick.get(one.part)
    return {
        "canary": list(counts.canary() if counts else (0, 0)),
        "control": list(counts.control() if counts else (0, 0)),
        "e_fail": e_value(reading.log_fail),
        "e_pass": e_value(reading.log_pass),
        "odds": reading.odds,
        "low": reading.low,
        "high": reading.high,
        "phi": reading.phi,
        **({"edge": one.edge} if one.metric.kind == "latency" else {}),
    }
