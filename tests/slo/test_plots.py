"""The chart of burns: what is drawn of windows and factors."""

from datetime import UTC, datetime

from slo import plots
from slo.selectors import AlertTierRow
from telemetry.memory import InMemoryMetrics

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PROMQL = "burns by window"


def tier(name: str, factor: float) -> AlertTierRow:
    return AlertTierRow(name, "page", "1h", "5m", factor, 0, 0, 0, 0, None, None, "clear", "")


TIERS = [tier("page-fast", 14.4), tier("page-slow", 6), tier("ticket-fast", 3), tier("ticket-slow", 1)]


def drawn(highest: float) -> tuple[list[str], list[str]]:
    metrics = InMemoryMetrics()
    burns = {"3d": 0.1, "6h": 0.2, "5m": highest, "1h": 0.3}
    metrics.answer(PROMQL, [({"window": window}, burning) for window, burning in burns.items()])
    chart = plots.burn(metrics, PROMQL, TIERS, marks=(), now=NOW)
    assert len(metrics.asked) > 0
    return [trace.name for trace in chart.series], [line.name for line in chart.lines]


def test_windows_are_drawn_from_the_shortest() -> None:
    assert drawn(0.9)[0] == ["over 5m", "over 1h", "over 6h", "over 3d"]


def test_factors_that_are_far_above_the_lines_are_left_to_the_table() -> None:
    assert drawn(0.9)[1] == ["ticket-slow 1x"]


def test_factors_whose_words_would_lie_over_each_other_are_left_to_the_table() -> None:
    assert drawn(40)[1] == ["page-fast 14.4x", "page-slow 6x"]
