"""Maintenance windows: one, or repeating by a recurrence rule of iCalendar (RFC 5545), in UTC."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from dateutil.rrule import rrule, rrulestr

from slo.domain.corrections import BadExclusion
from slo.domain.spans import Span

LONGEST = timedelta(days=7)
AHEAD = timedelta(days=730)
PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST")
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
OF_MONTHS = ("BYMONTHDAY", "BYSETPOS")
_INTERVAL = re.compile(r"0*[1-9][0-9]{0,3}")
# Two neighbours overlap within a year or never: what people write repeats by then.
LOOKED_AT = 400


@dataclass(frozen=True, slots=True)
class Window:
    """Begins at `start` and lasts `lasts`; again by `rule`, which is an RRULE without its name.

    From `ended` on there is none any more.
    """

    start: datetime
    lasts: timedelta
    rule: str = ""
    ended: datetime | None = None


def check(window: Window, *, now: datetime) -> None:
    """Raises BadExclusion for a window that is over before it is declared, too long, or repeats badly."""
    if not timedelta(0) < window.lasts <= LONGEST:
        raise BadExclusion("minutes", f"a window lasts from a minute to {LONGEST.days} days")
    if window.start > now + AHEAD:
        raise BadExclusion("starts_at", f"it has to begin within {AHEAD.days} days")
    if window.start < now - timedelta(minutes=5):
        raise BadExclusion("starts_at", "it has to begin now or later: what was is corrected by a correction")
    if window.rule:
        _check_rule(window)


def _check_rule(window: Window) -> None:
    parts = dict(part.partition("=")[::2] for part in window.rule.upper().split(";"))
    if unknown := [name for name in parts if name not in PARTS]:
        raise BadExclusion("rule", f"{unknown[0] or 'nothing'} is not one of {', '.join(PARTS)}")
    if parts.get("FREQ") not in FREQUENCIES:
        raise BadExclusion("rule", f"FREQ has to be one of {', '.join(FREQUENCIES)}: FREQ=WEEKLY;BYDAY=SU")
    _check_ends(parts)
    try:
        starts = list(islice(_rule(window), LOOKED_AT))
    except ValueError as error:
        raise BadExclusion("rule", f"it is no recurrence rule: {error}") from error
    if not starts or starts[0] != window.start:
        raise BadExclusion("starts_at", "the first window has to be one that the rule gives")
    if any(after - before <= window.lasts for before, after in pairwise(starts)):
        raise BadExclusion(
            "minutes", "one window would begin before the last one is over: nothing would ever be told"
        )


def _check_ends(parts: Mapping[str, str]) -> None:
    """Looking for the first window ends: dateutil looks for ever by an interval of 0, and day by day until
    the year 9999 for a 30 February.
    """
    if not _INTERVAL.fullmatch(parts.get("INTERVAL", "1")):
        raise BadExclusion("rule", "INTERVAL has to be a whole number from 1 to 9999")
    if parts["FREQ"] in ("DAILY", "WEEKLY") and (found := [name for name in OF_MONTHS if name in parts]):
        raise BadExclusion("rule", f"{found[0]} goes with FREQ=MONTHLY or FREQ=YEARLY")


def _rule(window: Window) -> rrule:
    """In UTC, whatever the time zone that the start was given in: a Sunday there may be a Saturday here."""
    found = rrulestr(window.rule.upper(), dtstart=window.start.astimezone(UTC))
    if not isinstance(found, rrule):
        raise ValueError("a set of rules is more than one")
    return found


def occurrences(window: Window, within: Span) -> tuple[Span, ...]:
    """The parts of `within` in which the window is on, in order."""
    end = min(within.end, window.ended or within.end)
    found = (Span(start, start + window.lasts) for start in _starts(window, Span(within.start, end)))
    return tuple(part for span in found if (part := span.within(Span(within.start, end))))


def _starts(window: Window, within: Span) -> Iterator[datetime]:
    """When windows begin that may be on in `within`."""
    if not window.rule:
        yield window.start
    elif within.start < within.end:
        yield from _rule(window).between(within.start - window.lasts, within.end, inc=True)


def following(window: Window, now: datetime) -> Span | None:
    """The window that is on now, else the next one; None when there is none any more."""
    if window.ended and window.ended <= now:
        return None
    start: datetime | None = window.start
    if window.rule:
        start = _rule(window).after(now - window.lasts, inc=False)
    return Span(start, start + window.lasts) if start and start + window.lasts > now else None
