"""Whether declared objectives can be measured and defended, before anybody relies on them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from proxy.domain.errors import Problem
from proxy.domain.tier import Tier
from proxy.meanings import Said
from slo.domain import objectives
from slo.domain.objectives import Objective
from telemetry import ports
from telemetry.domain.errors import BadQuery, MetricsError
from telemetry.ports import Metrics

PATIENCE_SECONDS = 2.0


def declaration(tier: Tier, published: Tier | None, now: datetime) -> Said:
    """What is wrong with the objectives of a declared tier, and what is only pointed out.

    Prometheus is asked only of what is new: what was accepted once is not refused because it is away.
    """
    declared = objectives.of_tier(tier)
    held = set(objectives.of_tier(published)) if published else set()
    fresh = [(index, one) for index, one in enumerate(declared) if tier.objectives and one not in held]
    problems = list(_problems(fresh))
    warnings = list(objectives.looser(declared))
    if fresh:
        asked, more = _asked(fresh, ports.from_settings(timeout=PATIENCE_SECONDS), now)
        problems += asked
        warnings += more
    return Said(tuple(problems), tuple(warnings))


def _problems(fresh: Iterable[tuple[int, Objective]]) -> Iterator[Problem]:
    for index, one in fresh:
        try:
            objectives.check(one)
        except objectives.BadObjective as error:
            yield f"objectives[{index}].{error.field}", str(error)


def _asked(
    fresh: Sequence[tuple[int, Objective]], metrics: Metrics, now: datetime
) -> tuple[list[Problem], list[str]]:
    """What Prometheus says of them: whether it keeps their windows, and knows their PromQL."""
    own = [(index, one) for index, one in fresh if one.kind in ("ratio", "gauge")]
    try:
        problems = list(_too_long(fresh, metrics.retention()))
    except MetricsError as error:
        unknown = f"Prometheus gave no answer ({error.message})"
        return (
            [(f"objectives[{index}].kind", f"{unknown}: its PromQL cannot be checked") for index, _ in own],
            [f"{unknown}: whether it keeps the objectives' windows is not known"],
        )
    return [*problems, *(problem for index, one in own for problem in _unknown(index, one, metrics, now))], []


def _too_long(fresh: Iterable[tuple[int, Objective]], kept: timedelta | None) -> Iterator[Problem]:
    """A rolling window that Prometheus does not keep would be half empty, and nobody would see it."""
    for index, one in fresh:
        if one.calendar is None and kept is not None and one.period > kept:
            yield (
                f"objectives[{index}].window_days",
                f"Prometheus keeps {kept.days} d and the window is {one.period.days} d: shorten it, or start"
                f" Prometheus with --storage.tsdb.retention.time={one.period.days + 10}d",
            )


def _unknown(index: int, one: Objective, metrics: Metrics, now: datetime) -> Iterator[Problem]:
    """PromQL that cannot be evaluated, or finds nothing. Failures may not have happened yet: `bad` may be
    empty.
    """
    for field in ("bad", "good", "total", "gauge"):
        promql = getattr(one, field)
        if not promql:
            continue
        try:
            found = metrics.vector(promql, at=now)
        except BadQuery as error:
            yield f"objectives[{index}].{field}", f"Prometheus refuses it: {error.message}"
            continue
        except MetricsError as error:
            yield f"objectives[{index}].{field}", f"Prometheus could not evaluate it: {error.message}"
            continue
        if not found and field != "bad":
            yield (
                f"objectives[{index}].{field}",
                "it finds nothing now: does the metric exist, with these labels and this bucket's edge?",
            )
