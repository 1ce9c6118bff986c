"""Asks Prometheus what an objective costs it: how many samples each of its queries reads."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.core.cache import cache

from slo.background import Background
from slo.domain import rates
from slo.domain.rules import BASE
from telemetry.domain.errors import MetricsError
from telemetry.patience import patient

OFTEN = f"every {BASE.total_seconds():g} s"
KEPT_SECONDS = 600
TROUBLE_KEPT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class CostRow:
    """One query, how often it is evaluated, and who shares it.

    `samples` and `seconds` (of one evaluation) are None where Prometheus did not say; `trouble` is why.
    """

    what: str
    promql: str
    often: str
    shared_by: str
    samples: int | None = None
    seconds: float | None = None
    trouble: str = ""


def costs(number: int, found: Background, budget_promql: str, *, now: datetime) -> list[CostRow]:
    """Measured at most once in ten minutes a process: it costs what it measures."""
    key = f"costs/{number}/{found.shared_by}"
    held: list[CostRow] | None = cache.get(key)
    if held is None:
        held = _measured(list(_queries(found, budget_promql)), now)
        known = all(row.samples is not None for row in held)
        cache.set(key, held, KEPT_SECONDS if known else TROUBLE_KEPT_SECONDS)
    return held


def _queries(found: Background, budget_promql: str) -> Iterator[CostRow]:
    for source in rates.needed([found.events, *found.bad.values()]):
        what = f"reads {source.counter} of every proxy"
        yield CostRow(what, source.rates, OFTEN, "all that count it")
    shared = "nobody else" if found.shared_by < 2 else f"{found.shared_by:,} objectives"
    yield CostRow("counts all events", found.events, OFTEN, shared)
    for made, promql in found.bad.items():
        whose = "" if made == "other" else f" by the {made}"
        yield CostRow(f"counts bad events{whose}", promql, OFTEN, shared)
    if budget_promql:
        yield CostRow("the budget, from what was counted", budget_promql, "when it is asked", "nobody else")


def _measured(rows: list[CostRow], now: datetime) -> list[CostRow]:
    """Nobody waits for a second answer where the first did not come."""
    metrics, measured = patient(), list[CostRow]()
    try:
        for row in rows:
            cost = metrics.cost(row.promql, at=now)
            measured.append(replace(row, samples=cost.samples, seconds=cost.seconds))
    except MetricsError as error:
        measured += [replace(row, trouble=error.message) for row in rows[len(measured) :]]
    return measured
