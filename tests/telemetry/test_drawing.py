"""The lines of a chart: what was not measured is not drawn."""

from datetime import UTC, datetime, timedelta

from telemetry.charts import Trace
from telemetry.domain.series import Series
from telemetry.drawing import Line, draw
from telemetry.memory import InMemoryMetrics

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPAN = timedelta(minutes=30)


class Away(InMemoryMetrics):
    """Metrics whose scrapes were away from the fifth to the tenth minute."""

    def matrix(self, promql: str, *, start: datetime, end: datetime, step: timedelta) -> tuple[Series, ...]:
        offsets = [step * number for number in range(int(SPAN / step) + 1)]
        seen = [each for each in offsets if not timedelta(minutes=5) < each < timedelta(minutes=10)]
        return (Series({}, tuple(((start + each).timestamp(), 1.0) for each in seen)),)


def gaps(trace: Trace) -> list[float]:
    return [at for at, value in trace.points if value is None]


def test_a_pause_in_measurement_is_a_gap_in_the_line_and_no_row_of_the_table() -> None:
    line = Line("all", "up")

    drawn = draw(Away(), slug="a", title="A", unit="s", lines=[line], now=NOW, span=SPAN)

    assert gaps(drawn.series[0]) == [(NOW - SPAN + timedelta(minutes=7.5)).timestamp()]
    assert None not in [value for _, values in drawn.table for value in values]


def test_a_line_by_a_label_is_one_for_each_that_reaches_highest_each_with_a_stroke_of_its_own() -> None:
    metrics = InMemoryMetrics()
    metrics.answer("by_reason", [({"reason": f"reason_{n}"}, float(n)) for n in range(9)])

    drawn = draw(
        metrics,
        slug="a",
        title="A",
        unit="s",
        lines=[Line("", "by_reason", by="reason")],
        now=NOW,
        span=SPAN,
    )

    assert [trace.name for trace in drawn.series] == ["reason 8", "reason 7", "reason 6", "reason 5"]
    assert len({(trace.ink, trace.dash) for trace in drawn.series}) == 4
