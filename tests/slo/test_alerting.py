"""When an objective tells somebody."""

from datetime import timedelta
from decimal import Decimal

import pytest

from slo.domain.alerting import Judged, Verdict, decide, judge
from slo.domain.burn import Counts
from slo.domain.windows import PAGE_FAST, PAGE_SLOW

MONTH = timedelta(days=30)
TARGET = Decimal("0.999")


def counts(bad: float, total: float = 100_000) -> Counts:
    return Counts(total=Decimal(str(total)), bad_backend=Decimal(str(bad)))


def judged(
    long: Counts | None, short: Counts | None, *, coverage: str | None = "1", target: Decimal = TARGET
) -> Judged:
    covered = None if coverage is None else Decimal(coverage)
    return judge(PAGE_FAST, target=target, period=MONTH, long=long, short=short, coverage=covered)


def test_both_windows_above_the_factor_fire() -> None:
    assert judged(counts(1441), counts(1441)).verdict == "fires"


def test_the_factor_itself_does_not_fire() -> None:
    assert judged(counts(1440), counts(1440)).verdict == "between"


@pytest.mark.parametrize(("long", "short"), [(5000, 100), (100, 5000)])
def test_one_window_alone_does_not_fire(long: int, short: int) -> None:
    assert judged(counts(long), counts(short)).verdict == "clear"


def test_it_is_over_only_when_it_is_well_below() -> None:
    assert judged(counts(5000), counts(1153)).verdict == "between"
    assert judged(counts(5000), counts(1151)).verdict == "clear"


def test_a_young_window_does_not_fire() -> None:
    found = judged(counts(5000), counts(5000), coverage="0.49")

    assert found.verdict == "off"
    assert found.why == "49% of its long window is covered, 50% are needed"


def test_a_window_that_is_half_covered_fires() -> None:
    assert judged(counts(5000), counts(5000), coverage="0.5").verdict == "fires"


def test_unknown_coverage_does_not_fire() -> None:
    assert judged(counts(5000), counts(5000), coverage=None).verdict == "off"


def test_a_few_failures_among_few_requests_do_not_fire() -> None:
    # 60 requests an hour: one failure burns at 16.7 times.
    assert judged(counts(1, 60), counts(1, 5)).verdict == "off"


def test_the_least_traffic_that_counts_has_room_for_ten_failures() -> None:
    # 10 / (14.4 x 0.001) = 694.4 requests
    assert judged(counts(50, 694), counts(5, 60)).verdict == "off"
    assert judged(counts(50, 695), counts(5, 60)).verdict == "fires"


def test_nothing_in_a_window_is_unknown() -> None:
    assert judged(counts(5000), counts(0, 0)).verdict == "unknown"
    assert judged(None, None).verdict == "unknown"


@pytest.mark.parametrize(
    ("verdicts", "decision"),
    [
        (("fires", "clear"), "fire"),
        (("off", "fires"), "fire"),
        (("clear", "clear"), "clear"),
        (("clear", "off"), "clear"),
        (("clear", "between"), "hold"),
        (("clear", "unknown"), "hold"),
        (("off", "off"), "hold"),
        (("unknown", "unknown"), "hold"),
    ],
)
def test_no_data_never_ends_an_alert(verdicts: tuple[Verdict, Verdict], decision: str) -> None:
    tiers = [
        Judged(tier, Decimal(1), None, None, verdict)
        for tier, verdict in zip((PAGE_FAST, PAGE_SLOW), verdicts, strict=True)
    ]

    assert decide(tiers) == decision
