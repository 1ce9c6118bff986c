"""Points of the metrics that a plan reads by PromQL of its own, set beside the ticks of the counters."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import floor, isnan
from statistics import median

from canary.domain.family import FamilyTick
from canary.domain.judge import Tick
from canary.domain.metrics import Metric
from canary.domain.odds import Cell
from canary.domain.plan import Plan
from canary.domain.scrapes import Dropped, Folded
from telemetry.domain.errors import BadQuery, MetricsError
from telemetry.domain.promql import escape
from telemetry.ports import Metrics

Points = dict[float, float]


class _Unusable(Exception):
    """The query does not give one value an arm."""


def sampled(plan: Plan, folded: Folded, metrics: Metrics, *, canary: str, control: Collection[str]) -> Folded:
    """The folded ticks, those that hold a moment of a sampled metric with a pair of points of it.

    One query an arm and metric, however many ticks. What cannot be read is dropped with its reason, and
    blinds no other metric.
    """
    arms = (canary, *sorted(control))
    for metric in plan.metrics:
        if metric.kind == "sampled" and folded.ticks:
            try:
                folded = _with_points(metric, folded, metrics, arms)
            except (MetricsError, _Unusable) as error:
                lost = Dropped(folded.until or 0.0, f"no point of {metric.name}: {_why(error)}")
                folded = replace(folded, dropped=(*folded.dropped, lost))
    return folded


def _why(error: Exception) -> str:
    """What ticks that lack the same are counted by: of an outage no text that is another each time."""
    return str(error)[:200] if isinstance(error, BadQuery | _Unusable) else "Prometheus gave no answer"


def _with_points(metric: Metric, folded: Folded, metrics: Metrics, arms: tuple[str, ...]) -> Folded:
    moments = _moments(metric, folded)
    if not moments:
        return folded
    canary, *control = [_read(metric, arm, sorted(moments.values()), metrics) for arm in arms]
    ticks: list[FamilyTick] = []
    for tick in folded.ticks:
        at = _at(tick)
        cell = _compared(metric, canary, control, moments[at]) if at in moments else None
        ticks.append({**tick, metric.name: Tick(at, {"": cell})} if cell else tick)
    return replace(folded, ticks=tuple(ticks))


def _moments(metric: Metric, folded: Folded) -> dict[float, float]:
    """By the end of its tick: each whole multiple of `every` that a tick holds, the last of it."""
    interval = folded.clock.interval if folded.clock else 0.0
    found = {at: floor(at / metric.every) * metric.every for at in map(_at, folded.ticks)}
    return {at: moment for at, moment in found.items() if moment > at - interval}


def _at(tick: FamilyTick) -> float:
    return next(iter(tick.values())).at


def _read(metric: Metric, arm: str, moments: list[float], metrics: Metrics) -> Points:
    series = metrics.matrix(
        metric.promql.replace("$arm", escape(arm)),
        start=datetime.fromtimestamp(moments[0], tz=UTC),
        end=datetime.fromtimestamp(moments[-1], tz=UTC),
        step=timedelta(seconds=metric.every),
    )
    if len(series) > 1:
        raise _Unusable(f"{len(series)} series for {arm}, and one is needed: sum or average them")
    return {round(at, 3): value for one in series for at, value in one.points if not isnan(value)}


def _compared(metric: Metric, canary: Points, control: list[Points], moment: float) -> Cell | None:
    """The canary's point against the median of the control's arms; None where one of the two has none."""
    at = round(moment, 3)
    others = [points[at] for points in control if at in points]
    return metric.compared(canary[at], median(others)) if at in canary and others else None
