"""Asks Prometheus for the lines of a chart and lays them out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from telemetry.charts import Boundary, Chart, Ink, Mark, Trace, gapped, points
from telemetry.domain.errors import MetricsError
from telemetry.domain.series import Series
from telemetry.ports import Metrics

STEPS = 120
EVERY_SECONDS = 10
Dash = Literal["solid", "dot", "dash"]
# Lines are told apart by their strokes: colour is kept for states.
STROKES: tuple[tuple[Ink, Dash], ...] = (
    ("trace-1", "solid"),
    ("trace-2", "dot"),
    ("trace-1", "dash"),
    ("trace-2", "solid"),
    ("trace-1", "dot"),
    ("trace-2", "dash"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line to ask for; with `by` one for each value of that label, of those that reach highest."""

    name: str
    promql: str
    factor: float = 1.0
    by: str = ""


def draw(
    metrics: Metrics,
    *,
    slug: str,
    title: str,
    unit: str,
    lines: Sequence[Line],
    now: datetime,
    span: timedelta,
    boundaries: Sequence[Boundary] = (),
    marks: Sequence[Mark] = (),
) -> Chart:
    """Ask and lay out one chart; when Prometheus does not answer the chart says so."""
    chart = Chart(
        slug=slug,
        title=title,
        unit=unit,
        series=(),
        says=f"{title} in {unit} over {_words(span)}; the table holds the values.",
        lines=tuple(boundaries),
        marks=tuple(marks),
        range=((now - span).timestamp(), now.timestamp()),
        promql=tuple(line.promql for line in lines),
        every=EVERY_SECONDS,
    )
    try:
        found = [trace for line in lines for trace in _traces(metrics, line, now, span)]
    except MetricsError as error:
        return replace(chart, trouble=error.message)
    return replace(chart, series=tuple(stroked(found)))


def _words(span: timedelta) -> str:
    minutes = span // timedelta(minutes=1)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


def _traces(metrics: Metrics, line: Line, now: datetime, span: timedelta) -> Iterator[Trace]:
    step = span / STEPS
    answer = metrics.matrix(line.promql, start=now - span, end=now, step=step)
    if not line.by:
        yield _trace(line.name, answer, line, step)
        return
    for series in sorted(answer, key=_highest, reverse=True)[: len(STROKES) - 2]:
        name = series.labels.get(line.by, "").replace("_", " ")
        yield _trace(f"{line.name}{name}", (series,), line, step)


def _trace(name: str, answer: Sequence[Series], line: Line, step: timedelta) -> Trace:
    drawn = gapped(points(answer, factor=line.factor), longest=1.5 * step.total_seconds())
    return Trace(name, drawn)


def _highest(series: Series) -> float:
    return max((value for _, value in series.points if value == value), default=0.0)


def stroked(traces: Sequence[Trace]) -> Iterator[Trace]:
    """The traces, each with a stroke of its own by its place."""
    for place, trace in enumerate(traces):
        ink, dash = STROKES[place % len(STROKES)]
        yield replace(trace, ink=ink, dash=dash)
