"""When maintenance windows are on."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.domain.corrections import BadExclusion
from slo.domain.maintenance import Window, check, following, occurrences
from slo.domain.spans import DAY, HOUR, Span, merged

SUNDAY = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
NOW = SUNDAY - DAY
WEEKLY = Window(SUNDAY, 2 * HOUR, "FREQ=WEEKLY;BYDAY=SU")


def starts(window: Window, days: int) -> list[datetime]:
    return [span.start for span in occurrences(window, Span(SUNDAY, SUNDAY + days * DAY))]


def test_a_single_window_is_on_once() -> None:
    assert starts(Window(SUNDAY, HOUR), 30) == [SUNDAY]


def test_a_weekly_window_is_on_each_week() -> None:
    assert starts(WEEKLY, 20) == [SUNDAY, SUNDAY + 7 * DAY, SUNDAY + 14 * DAY]


@pytest.mark.parametrize(
    ("rule", "count"),
    [("FREQ=DAILY;COUNT=3", 3), ("FREQ=DAILY;UNTIL=20260305T020000Z", 5), ("FREQ=MONTHLY;BYDAY=1SU", 12)],
)
def test_a_rule_may_end_and_may_name_the_first_sunday(rule: str, count: int) -> None:
    assert len(starts(Window(SUNDAY, HOUR, rule), 365)) == count


def test_one_that_began_before_is_on_for_its_rest() -> None:
    inside = Span(SUNDAY + HOUR, SUNDAY + DAY)

    assert occurrences(WEEKLY, inside) == (Span(SUNDAY + HOUR, SUNDAY + 2 * HOUR),)


def test_what_was_ended_is_on_until_then() -> None:
    ended = Window(SUNDAY, 2 * HOUR, "FREQ=DAILY", ended=SUNDAY + DAY + HOUR)

    assert occurrences(ended, Span(SUNDAY, SUNDAY + 9 * DAY)) == (
        Span(SUNDAY, SUNDAY + 2 * HOUR),
        Span(SUNDAY + DAY, SUNDAY + DAY + HOUR),
    )


@pytest.mark.parametrize(
    ("now", "expected"),
    [(NOW, SUNDAY), (SUNDAY + HOUR, SUNDAY), (SUNDAY + 2 * HOUR, SUNDAY + 7 * DAY)],
)
def test_the_next_one_is_the_one_that_is_on_or_comes(now: datetime, expected: datetime) -> None:
    found = following(WEEKLY, now)

    assert found == Span(expected, expected + 2 * HOUR)


def test_a_single_one_that_is_over_has_no_next() -> None:
    assert following(Window(SUNDAY, HOUR), SUNDAY + HOUR) is None


@pytest.mark.parametrize(
    ("window", "field", "says"),
    [
        (Window(SUNDAY, timedelta(0)), "minutes", "from a minute to 7 days"),
        (Window(SUNDAY, 8 * DAY), "minutes", "from a minute to 7 days"),
        (Window(NOW - HOUR, HOUR), "starts_at", "begin now or later"),
        (Window(SUNDAY + 9999 * DAY, HOUR), "starts_at", "within 730 days"),
        (Window(SUNDAY, HOUR, "FREQ=SECONDLY"), "rule", "FREQ has to be one of DAILY"),
        (Window(SUNDAY, HOUR, "FREQ=DAILY;BYHOUR=3"), "rule", "BYHOUR is not one of"),
        (Window(SUNDAY, HOUR, "FREQ=DAILY\nDTSTART:20200101"), "rule", "FREQ has to be one of"),
        (Window(SUNDAY, HOUR, "every day"), "rule", "EVERY DAY is not one of"),
        (Window(SUNDAY, HOUR, "FREQ=DAILY;UNTIL=soon"), "rule", "no recurrence rule"),
        (Window(SUNDAY, HOUR, "FREQ=DAILY;UNTIL=20260305T020000"), "rule", "no recurrence rule"),
        (Window(SUNDAY, HOUR, "FREQ=WEEKLY;BYDAY=MO"), "starts_at", "one that the rule gives"),
        (Window(SUNDAY, DAY, "FREQ=DAILY"), "minutes", "before the last one is over"),
        (Window(SUNDAY, HOUR, "FREQ=DAILY;COUNT=1e9"), "rule", "no recurrence rule"),
        (Window(SUNDAY, HOUR, "FREQ=DAILY;INTERVAL=0;BYDAY=MO"), "rule", "INTERVAL has to be"),
        (Window(SUNDAY, HOUR, "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), "rule", "goes with FREQ=MONTHLY"),
        (Window(SUNDAY, HOUR, "FREQ=WEEKLY;BYDAY=SU;BYSETPOS=2"), "rule", "goes with FREQ=MONTHLY"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused_at_its_field(window: Window, field: str, says: str) -> None:
    with pytest.raises(BadExclusion, match=says) as refused:
        check(window, now=NOW)

    assert refused.value.field == field


def test_a_good_one_is_accepted() -> None:
    check(WEEKLY, now=NOW)


def test_days_are_of_utc_whatever_the_time_zone_of_the_start() -> None:
    berlin = timezone(HOUR)
    just_sunday_there = datetime(2026, 3, 1, 0, 30, tzinfo=berlin)

    check(Window(just_sunday_there, HOUR, "FREQ=WEEKLY;BYDAY=SA"), now=NOW - DAY)
    with pytest.raises(BadExclusion, match="one that the rule gives"):
        check(Window(just_sunday_there, HOUR, "FREQ=WEEKLY;BYDAY=SU"), now=NOW - DAY)


SPANS = st.tuples(st.integers(0, 100), st.integers(1, 50)).map(
    lambda pair: Span(SUNDAY + pair[0] * HOUR, SUNDAY + (pair[0] + pair[1]) * HOUR)
)


@given(st.lists(SPANS, max_size=8), SPANS)
def test_merged_spans_cover_the_same_hours_once(spans: list[Span], within: Span) -> None:
    found = merged(spans, within)

    hours = {SUNDAY + n * HOUR for n in range(200)}
    covered = {
        at for at in hours if within.start <= at < within.end and any(s.start <= at < s.end for s in spans)
    }
    assert {at for at in hours if any(s.start <= at < s.end for s in found)} == covered
    assert all(before.end < after.start for before, after in pairwise(found))
