"""The formulas of burn, with the figures of the SRE Workbook worked out."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.domain import burn, windows
from slo.domain.budget import budget, originator
from slo.domain.burn import Counts

MONTH, FOUR_WEEKS = timedelta(days=30), timedelta(days=28)
THREE_NINES = Decimal("0.999")


@pytest.mark.parametrize(
    ("tier", "month", "four_weeks"),
    [
        (windows.PAGE_FAST, "14.4", "13.44"),
        (windows.PAGE_SLOW, "6", "5.6"),
        (windows.TICKET_FAST, "3", "2.8"),
    ],
)
def test_factors_follow_from_the_share_of_the_budget(
    tier: windows.AlertTier, month: str, four_weeks: str
) -> None:
    assert tier.factor(MONTH) == Decimal(month)
    assert tier.factor(FOUR_WEEKS) == Decimal(four_weeks)


def test_the_slowest_ticket_needs_just_the_whole_budget_pace() -> None:
    assert windows.TICKET_SLOW.factor(MONTH) == 1
    assert round(windows.TICKET_SLOW.factor(FOUR_WEEKS), 4) == Decimal("0.9333")


def test_burn_is_the_bad_share_over_the_allowed_share() -> None:
    counts = Counts(total=Decimal(10_000), bad_proxy=Decimal(100), bad_backend=Decimal(44))

    assert burn.burn(counts, THREE_NINES) == Decimal("14.4")


def test_burn_without_an_event_is_unknown() -> None:
    assert burn.burn(Counts(total=Decimal(0)), THREE_NINES) is None


def test_the_threshold_is_an_exact_decimal() -> None:
    assert str(burn.threshold(Decimal("1"), THREE_NINES)) == "0.001"
    assert burn.threshold(Decimal("14.4"), THREE_NINES) == Decimal("0.0144")


def test_a_page_spends_its_share_of_the_budget() -> None:
    assert burn.spent_when_fired(Decimal("14.4"), timedelta(hours=1), MONTH) == Decimal("0.02")
    assert burn.spent_when_fired(Decimal(6), timedelta(hours=6), MONTH) == Decimal("0.05")


@pytest.mark.parametrize(
    ("tier", "burning", "expected"),
    [
        (windows.PAGE_FAST, 1000, timedelta(seconds=51.84)),
        (windows.PAGE_SLOW, 10, timedelta(hours=3, minutes=36)),
        (windows.TICKET_SLOW, 2, timedelta(hours=36)),
    ],
)
def test_time_to_detect(tier: windows.AlertTier, burning: int, expected: timedelta) -> None:
    assert burn.time_to_detect(tier.factor(MONTH), tier.long, Decimal(burning)) == expected


def test_a_page_ends_soon_after_a_total_outage_ends() -> None:
    after = burn.reset(Decimal("14.4"), timedelta(minutes=5), Decimal(1000))

    assert after == timedelta(seconds=300 * (1 - 0.0144))


def test_exhaustion_is_the_period_times_what_is_left_over_the_burn() -> None:
    assert burn.exhaustion(Decimal("0.5"), MONTH, Decimal(10)) == timedelta(days=1.5)
    assert burn.exhaustion(Decimal("-0.1"), MONTH, Decimal(10)) == timedelta(0)
    assert burn.exhaustion(Decimal("0.5"), MONTH, Decimal(0)) is None
    assert burn.exhaustion(Decimal("0.5"), MONTH, None) is None


def test_what_floats_leave_over_of_a_difference_exhausts_nothing() -> None:
    assert burn.exhaustion(Decimal(1), MONTH, Decimal("1e-13")) is None


def test_a_loose_objective_cannot_burn_fast_enough_to_page() -> None:
    assert burn.can_fire(Decimal("14.4"), Decimal("0.94"))
    assert not burn.can_fire(Decimal("14.4"), Decimal("0.93"))


def test_the_budget_says_what_is_left_and_who_spent_the_rest() -> None:
    found = budget(Counts(Decimal(100_000), Decimal(20), Decimal(30)), THREE_NINES)

    assert found is not None
    assert (found.allowed, found.left) == (Decimal(100), Decimal("0.5"))
    assert (found.spent_proxy, found.spent_backend, found.spent_other) == (
        Decimal("0.2"),
        Decimal("0.3"),
        Decimal(0),
    )


def test_windows_weigh_by_events_and_not_by_hours() -> None:
    # 5 h without a failure at 100/s, then 1 h of 10 % failures at 1/s. The mean of the ratios says 0.01667.
    quiet, bad = Decimal(5 * 3600 * 100), Decimal(3600)
    counts = Counts(total=quiet + bad, bad_backend=bad / 10)

    assert round(counts.bad / counts.total, 7) == Decimal("0.0001996")


@pytest.mark.parametrize(
    ("proxy", "backend", "other", "expected"),
    [
        (0, 0, 0, "unknown"),
        (9, 1, 0, "proxy"),
        (1, 9, 0, "backend"),
        (8, 2, 0, "both"),
        (5, 4, 1, "both"),
        (4, 4, 2, "unknown"),
        (0, 0, 9, "unknown"),
    ],
)
def test_sides_are_named_when_they_made_nine_in_ten(
    proxy: int, backend: int, other: int, expected: str
) -> None:
    made = (Decimal(each) for each in (proxy, backend, other))
    assert originator(Counts(Decimal(100), *made)) == expected


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_what_is_left_and_what_each_side_spent_are_the_whole(total: int, proxy: int, backend: int) -> None:
    found = budget(Counts(Decimal(total), Decimal(proxy), Decimal(backend)), THREE_NINES)

    assert found is not None
    assert abs(found.left + found.spent_proxy + found.spent_backend - 1) < Decimal("1e-9")
