"""When an objective tells somebody."""

from datetime import timedelta
from decimal import Decimal

import pytest

from slo.domain.alerting import Judged, Verdict, decide, judge
from slo.domain.burn import Counts
from slo.domain.windows import PAGE_FAST, PAGE_SLOW, TICKET_SLOW

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


def test_what_a_young_window_did_not_measure_counts_as_good() -> None:
    # 5 % of the events failed: 50 times. With 28.8 % of the hour covered, the hour burns 14.4 times at least.
    at_the_factor = judged(counts(5000), counts(5000), coverage="0.288")
    above_it = judged(counts(5000), counts(5000), coverage="0.2881")

    assert (at_the_factor.verdict, above_it.verdict) == ("too_young", "fires")
    assert at_the_factor.why == "28.8% of its long window is covered; with the rest good it burns 14.4x"


def test_a_total_outage_of_a_young_tier_fires_when_it_would_in_an_old_one() -> None:
    # 1000 times: 14.4 / 1000 of an hour is 51.84 s.
    def after(seconds: int) -> Verdict:
        events = counts(seconds * 50, seconds * 50)
        return judged(events, events, coverage=str(Decimal(seconds) / 3600)).verdict

    assert [after(15), after(51), after(52)] == ["too_young", "too_young", "fires"]


def test_half_a_minute_of_outage_after_seven_hours_does_not_fire_three_days() -> None:
    # 30 s of 7 h burn 1.19 times, which 3 d page at 1: of 3 d they are 0.116 times.
    long, outage = counts(3000, 7 * 3600 * 100), counts(3000, 6 * 3600 * 100)
    covered = Decimal(7) / 72
    found = judge(TICKET_SLOW, target=TARGET, period=MONTH, long=long, short=outage, coverage=covered)

    assert found.long_burn is not None
    assert found.long_burn > found.factor
    assert found.verdict == "too_young"
    assert found.why == "9.7% of its long window is covered; with the rest good it burns 0.1x"


def test_a_young_window_needs_its_short_window_and_its_traffic_too() -> None:
    assert judged(counts(5000), counts(100), coverage="0.4").verdict == "too_young"
    # Six minutes of a request a minute: one failure of six burns the hour 16.7 times.
    few = judged(counts(1, 6), counts(1, 5), coverage="0.1")
    assert few.verdict == "too_young"
    assert few.why.endswith("burns 16.7x; 6 requests in its long window are too few")


def test_a_young_window_is_never_clear() -> None:
    assert judged(counts(0), counts(0), coverage="0.49").verdict == "too_young"
    assert judged(counts(0), counts(0), coverage="0.5").verdict == "clear"


def test_a_window_that_is_half_covered_fires() -> None:
    assert judged(counts(5000), counts(5000), coverage="0.5").verdict == "fires"


def test_unknown_coverage_does_not_fire() -> None:
    assert judged(counts(5000), counts(5000), coverage=None).verdict == "too_young"


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
        (("too_young", "too_young"), "hold"),
        (("clear", "too_young"), "clear"),
    ],
)
def test_no_data_never_ends_an_alert(verdicts: tuple[Verdict, Verdict], decision: str) -> None:
    tiers = [
        Judged(tier, Decimal(1), None, None, verdict)
        for tier, verdict in zip((PAGE_FAST, PAGE_SLOW), verdicts, strict=True)
    ]

    assert decide(tiers) == decision


def test_what_a_young_tier_measured_can_be_over() -> None:
    quiet = judged(counts(5000), counts(100), coverage="0.1")

    assert decide([quiet]) == "clear"
