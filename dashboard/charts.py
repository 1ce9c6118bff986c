"""The charts of tier and route pages, each from as many queries as it has lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from telemetry.charts import Boundary, Chart, Ink, Mark, Trace, gapped, points
from telemetry.domain import catalogue
from telemetry.domain.errors import MetricsError
from telemetry.domain.failure import ORIGINATORS, Originator
from telemetry.ports import Metrics

STEPS = 120
EVERY_SECONDS = 10
MICROSECONDS_PER_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line to ask for."""

    name: str
    promql: str
    ink: Ink = "trace-1"
    dashed: bool = False
    factor: float = 1.0


def _added(promql: Mapping[str, str]) -> list[Line]:
    factor = 1 / MICROSECONDS_PER_MS
    return [
        Line("p99", promql["p99"], factor=factor),
        Line("p50", promql["p50"], ink="trace-2", dashed=True, factor=factor),
    ]


def _errors(promql: Mapping[Originator, str]) -> list[Line]:
    return [
        Line("by the proxy", promql["proxy"]),
        Line("by a backend", promql["backend"], ink="trace-2", dashed=True),
    ]


def specifications(
    *, tier: str, route: str | None, window: timedelta
) -> dict[str, tuple[str, str, list[Line]]]:
    """slug -> (title, unit, lines) for a tier, or for one of its routes."""
    if route is None:
        added = {
            name: catalogue.tier_added_latency(tier=tier, window=window, quantile=quantile)
            for name, quantile in (("p50", 0.5), ("p99", 0.99))
        }
        errors = {who: catalogue.tier_errors(tier=tier, window=window, originator=who) for who in ORIGINATORS}
    else:
        added = {
            name: catalogue.added_latency(tier=tier, window=window, quantile=quantile, route=route)
            for name, quantile in (("p50", 0.5), ("p99", 0.99))
        }
        errors = {
            who: catalogue.errors(tier=tier, window=window, originator=who, route=route)
            for who in ORIGINATORS
        }
    return {
        "added-latency": ("Added latency", "ms", _added(added)),
        "errors": ("Failures by originator", "/s", _errors(errors)),
    }


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
        says=f"{title} in {unit} over {span // timedelta(minutes=1)} minutes; the table holds the values.",
        lines=tuple(boundaries),
        marks=tuple(marks),
        range=((now - span).timestamp(), now.timestamp()),
        promql=tuple(line.promql for line in lines),
        every=EVERY_SECONDS,
    )
    try:
        traces = tuple(_trace(metrics, line, now, span) for line in lines)
    except MetricsError as error:
        return replace(chart, trouble=error.message)
    return replace(chart, series=traces)


def _trace(metrics: Metrics, line: Line, now: datetime, span: timedelta) -> Trace:
    step = span / STEPS
    answer = metrics.matrix(line.promql, start=now - span, end=now, step=step)
    drawn = gapped(points(answer, factor=line.factor), longest=1.5 * step.total_seconds())
    return Trace(line.name, drawn, line.ink, "dot" if line.dashed else "solid")
