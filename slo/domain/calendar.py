"""Calendar periods: the week, month or quarter that an instant is in, in UTC."""

from datetime import UTC, datetime, timedelta

from proxy.domain.tier import Calendar
from slo.domain.spans import Span, day_of

MONTHS = {"month": 1, "quarter": 3}


def period(calendar: Calendar, at: datetime) -> Span:
    """The period that holds `at`. A week begins on Monday, a quarter in January, April, July or October."""
    day = day_of(at)
    if calendar == "week":
        start = day - timedelta(days=day.weekday())
        return Span(start, start + timedelta(days=7))
    months = MONTHS[calendar]
    first = (day.month - 1) // months * months + 1
    return Span(_first(day.year, first), _first(day.year, first + months))


def month(text: str) -> Span:
    """The month that `text` names, such as `2026-03`. Raises ValueError, which says how one is written."""
    try:
        year, number = text.split("-")
        if len(year) == 4 and len(number) == 2 and (year + number).isdigit() and text.isascii():
            return period("month", datetime(int(year), int(number), 1, tzinfo=UTC))
    except ValueError:
        pass
    raise ValueError(f"a month is written like 2026-03, not {text!r}")


def _first(year: int, month: int) -> datetime:
    """The first day of a month; the thirteenth is the next January."""
    return datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)
