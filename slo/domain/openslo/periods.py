"""From OpenSLO's time windows to periods: so many days that roll, or a calendar's week, month or quarter."""

import re
from datetime import UTC, datetime
from typing import Any

from slo.domain.openslo.drafts import Draft
from slo.domain.openslo.nodes import Node
from slo.domain.openslo.vocabulary import CALENDARS

_DURATION = re.compile(r"([1-9]\d{0,6})([mhdwMQY])")
_MINUTES = {"m": 1, "h": 60, "d": 1440, "w": 10_080}
_DAY = 1440
_LONGEST = 90
_UTC = (
    "UTC",
    "Etc/UTC",
    "GMT",
    "Etc/GMT",
    "Zulu",
    "Etc/Zulu",
    "UCT",
    "Etc/UCT",
    "Universal",
    "Etc/Universal",
)
_SAME = {"7d": "1w", "3M": "1Q"}


def minutes(text: str) -> int | None:
    """A duration-shorthand in minutes; None for what is none, or is as long as its month."""
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _MINUTES[found[2]] if found and found[2] in _MINUTES else None


def period(spec: Node, draft: Draft) -> None:
    """The fields `window_days` or `calendar` of the SLO's only time window."""
    windows = spec.children("timeWindow")
    if not windows:
        if spec.raw.get("timeWindow") in (None, []):
            spec.note("timeWindow", "none is given: 30 days that roll")
        return
    if len(windows) > 1:
        spec.wrong("timeWindow", "an SLO has one time window")
    window = windows[0]
    calendar, rolls = window.child("calendar"), window.flag("isRolling")
    if rolls and calendar:
        window.wrong("calendar", "a window rolls or is a calendar's: leave one out")
    if rolls is False and not calendar:
        window.wrong("isRolling", "a window that does not roll needs its calendar")
    if rolls is None and not calendar:
        window.note("isRolling", "is not given: taken as one that rolls")
    if calendar and not rolls:
        _of_calendar(window, calendar, draft)
    else:
        _rolling(window, draft)


def _rolling(window: Node, draft: Draft) -> None:
    text = window.text("duration")
    length = minutes(text)
    if length is None:
        window.wrong("duration", f"{text or 'nothing'} is no fixed length: write days, such as 30d")
    elif length % _DAY or not 1 <= length // _DAY <= _LONGEST:
        window.wrong("duration", f"{text}: Sluice's windows are of 1 to {_LONGEST} whole days")
    else:
        draft.put("window_days", length // _DAY, window.at("duration"))


def _of_calendar(window: Node, calendar: Node, draft: Draft) -> None:
    text = window.text("duration")
    kind = CALENDARS.get(_SAME.get(text, text))
    zone, start = calendar.text("timeZone"), calendar.take("startTime")
    if zone not in _UTC:
        calendar.wrong("timeZone", f"{zone or 'nothing'}: Sluice's calendars are in UTC")
    if kind is None:
        window.wrong("duration", f"{text or 'nothing'}: Sluice's calendars are 1w, 1M and 1Q")
        return
    if not _begins(kind, _moment(start)):
        calendar.wrong("startTime", f"{start}: a {kind} begins {_BEGINNINGS[kind]} at 00:00:00 in UTC")
    draft.put("calendar", kind, window.at("duration"))


_BEGINNINGS = {"week": "on a Monday", "month": "on the 1st", "quarter": "on the 1st of its first month"}


def _moment(start: Any) -> datetime | None:
    """YAML reads an unquoted one itself."""
    try:
        found = datetime.fromisoformat(str(start))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _begins(kind: str, start: datetime | None) -> bool:
    if start is None or (start.hour, start.minute, start.second) != (0, 0, 0):
        return False
    if kind == "week":
        return start.weekday() == 0
    return start.day == 1 and (kind == "month" or start.month % 3 == 1)
