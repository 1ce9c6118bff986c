"""The charts of an objective's page: its burn-down with where it goes, and its burn by window."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from slo.domain.budget import budget
from slo.domain.burn import NOTHING
from slo.domain.spans import DAY, HOUR, midnight
from slo.history import ForecastRow, History
from slo.models import HourlyCount
from slo.selectors import DRAWN, AlertTierRow, ObjectiveRow
from telemetry.charts import Boundary, Chart, Mark, Point, Trace
from telemetry.drawing import Line, draw, stroked
from telemetry.ports import Metrics

PERCENT = 100.0
BURN_SPAN = timedelta(hours=6)
OVER = "over "
# With fewer days than that a point a day says nothing: a point an hour does.
FEW_DAYS = 3
YOUNG = FEW_DAYS * DAY


def burn_down(
    history: History,
    row: ObjectiveRow,
    hours: Sequence[Point],
    promql: str,
    *,
    marks: Sequence[Mark],
    now: datetime,
) -> Chart:
    """Percent of the budget left, up to now, and on to where the recent burns take it.

    `hours` are points of a young objective, whose days would be too few to draw.
    """
    drawn = list(_drawn(history, row, hours, now))
    times = [at for trace in drawn for at, _ in trace.points]
    start = min([*times, (now - HOUR).timestamp()])
    end = max([*times, (now if row.calendar == "" else history.end).timestamp()])
    return Chart(
        slug="burn-down",
        title="Budget left",
        unit="%",
        series=tuple(trace for trace in drawn if trace.points),
        says="Percent of the budget left by time, and where it goes; the table holds the values.",
        lines=(Boundary("spent", 0.0),),
        marks=tuple(mark for mark in marks if mark.at >= start),
        range=(start, end),
        promql=tuple(text for text in (f"# {history.formula}", promql) if text),
        every=60,
    )


def _drawn(history: History, row: ObjectiveRow, hours: Sequence[Point], now: datetime) -> Iterator[Trace]:
    """The way down, with what is left out where anything is, and the ways on."""
    known = [point for point in history.points if point.left is not None]
    past = list(hours) if len(known) < FEW_DAYS and hours else _days(history, "left", now)
    yield _now(past, row, now)
    if any(point.left != point.left_uncorrected for point in known):
        whole = tuple(_days(history, "left_uncorrected", now))
        yield Trace("with what is left out", whole, "trace-2", "dot")
    yield from _ahead(history.forecast, row, now)


def _days(history: History, name: str, now: datetime) -> list[Point]:
    """A day's point is at its end, today's is now."""
    points = [(midnight(point.day) + DAY, getattr(point, name)) for point in history.points]
    return [
        (min(at, now).timestamp(), None if left is None else left * PERCENT)
        for at, left in points
        if left is not None or at < now
    ]


def _now(past: list[Point], row: ObjectiveRow, now: datetime) -> Trace:
    """The line up to the last look, which knows more than the counts of the hour."""
    points = [point for point in past if point[0] < now.timestamp()]
    if row.left is not None:
        points.append((now.timestamp(), row.left * PERCENT))
    first = next((place for place, (_, left) in enumerate(points) if left is not None), len(points))
    return Trace("budget left", tuple(points[first:]))


def _ahead(forecast: ForecastRow | None, row: ObjectiveRow, now: datetime) -> Iterator[Trace]:
    """From now to when each recent burn has spent it all."""
    if forecast is None or row.left is None or row.left <= 0:
        return
    for place, burn in enumerate(each for each in forecast.by_burn if each.gone_at):
        if burn.gone_at:
            line = ((now.timestamp(), row.left * PERCENT), (burn.gone_at.timestamp(), 0.0))
            yield Trace(f"at the burn of {burn.window}", line, "wait", ("dash", "dot", "solid")[place % 3])


def hours(objective_id: int, target: Decimal, *, since: datetime) -> list[Point]:
    """Percent left after each counted hour of the running period: all of it before the first. One query."""
    total, points = NOTHING, list[Point]()
    for row in HourlyCount.objects.filter(objective=objective_id, hour__gte=since).order_by("hour"):
        if not points:
            points.append((row.hour.timestamp(), PERCENT))
        total = total + row.counts - row.excluded
        found = budget(total, target)
        if found:
            points.append(((row.hour + HOUR).timestamp(), float(found.left) * PERCENT))
    return points


def burn(
    metrics: Metrics, promql: str, tiers: Sequence[AlertTierRow], *, marks: Sequence[Mark], now: datetime
) -> Chart:
    """The burn by window, with the factors at which somebody is told. One query."""
    chart = draw(
        metrics,
        slug="burn",
        title="Burn by window",
        unit="x",
        lines=[Line(OVER, promql, by="window")],
        now=now,
        span=BURN_SPAN,
        boundaries=[Boundary(f"{tier.name} {tier.factor:g}x", tier.factor) for tier in tiers],
        marks=marks,
    )
    series = sorted(chart.series, key=lambda trace: DRAWN.index(trace.name.removeprefix(OVER)))
    return replace(chart, series=tuple(stroked(series)), lines=tuple(_apart(chart)))


def _apart(chart: Chart) -> Iterator[Boundary]:
    """The boundaries that can be told apart: a factor far above the lines would flatten them, and words of
    two that are close would lie over each other. The table of alerts has all.
    """
    top = max((value for trace in chart.series for _, value in trace.points if value is not None), default=0)
    last = None
    for line in sorted(chart.lines, key=lambda each: -each.value):
        if line.value <= 2 * top and (last is None or last - line.value > top / 8):
            last = line.value
            yield line
