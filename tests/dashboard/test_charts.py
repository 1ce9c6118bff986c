"""The lines of a chart: what was not measured is not drawn."""

from datetime import UTC, datetime, timedelta

from canary import charts as canary
from dashboard import charts
from telemetry.charts import Trace
from telemetry.domain.series import Sample, Series

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPAN = timedelta(minutes=30)


class Away:
    """Metrics whose scrapes were away from the fifth to the tenth minute."""

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        return ()

    def matrix(self, promql: str, *, start: datetime, end: datetime, step: timedelta) -> tuple[Series, ...]:
        offsets = [step * number for number in range(int(SPAN / step) + 1)]
        seen = [each for each in offsets if not timedelta(minutes=5) < each < timedelta(minutes=10)]
        return (Series({}, tuple(((start + each).timestamp(), 1.0) for each in seen)),)

    def raw(self, selector: str, *, window: timedelta, at: datetime) -> tuple[Series, ...]:
        return ()

    def retention(self) -> None:
        return None


def gaps(trace: Trace) -> list[float]:
    return [at for at, value in trace.points if value is None]


def test_a_pause_in_measurement_is_a_gap_in_the_line_and_no_row_of_the_table() -> None:
    line = charts.Line("all", "up")

    drawn = charts.draw(Away(), slug="a", title="A", unit="s", lines=[line], now=NOW, span=SPAN)

    assert gaps(drawn.series[0]) == [(NOW - SPAN + timedelta(minutes=7.5)).timestamp()]
    assert None not in [value for _, values in drawn.table for value in values]


def test_evidence_is_not_drawn_through_a_pause_of_the_judge() -> None:
    ticks = [NOW + timedelta(seconds=second) for second in (0, 1, 4, 64, 65)]

    drawn = canary.evidence(
        [(at, 2.0, 3.0) for at in ticks],
        slug="final",
        title="Evidence",
        fail_limit=100,
        pass_limit=20,
        url="/",
    )

    middle = (NOW + timedelta(seconds=34)).timestamp()
    assert [gaps(trace) for trace in drawn.series] == [[middle], [middle]]
