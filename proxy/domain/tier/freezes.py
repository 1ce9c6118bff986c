"""Freeze windows: when no rollout has more traffic given. They stop steps up and never a rollback."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from proxy.domain.tier.fields import Declared

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEK = timedelta(days=7)
_MOMENT = re.compile(rf"({'|'.join(DAYS)}) ([01]\d|2[0-3]):([0-5]\d)")


class Freeze(Declared):
    """Every week (`Fri 16:00 - Mon 08:00`, in UTC) or once, from `begins` until `ends` (with their zone).

    `why` is what people are told.
    """

    weekly: str | None = None
    begins: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    why: str = Field(default="", max_length=200)

    @field_validator("weekly")
    @classmethod
    def _is_a_week(cls, weekly: str | None) -> str | None:
        if weekly is None:
            return None
        begins, ends = _span(weekly)
        if begins == ends:
            raise ValueError("a weekly window ends at another time than it begins")
        return weekly

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        dates = (self.begins, self.ends)
        if (self.weekly is None) == (dates == (None, None)):
            raise ValueError("needs either weekly, or begins and ends")
        if self.weekly is None and None in dates:
            raise ValueError("a window by dates needs begins and ends")
        if self.begins is not None and self.ends is not None and self.begins >= self.ends:
            raise ValueError("ends has to be after begins")
        return self

    def until(self, now: datetime) -> datetime | None:
        """When the window that `now` is in ends; None outside of it. It begins closed and ends open."""
        if self.weekly is not None:
            return _weekly_until(self.weekly, now)
        inside = self.begins and self.ends and self.begins <= now < self.ends
        return self.ends if inside else None


def _weekly_until(weekly: str, now: datetime) -> datetime | None:
    begins, ends = _span(weekly)
    utc = now.astimezone(UTC)
    monday = (utc - timedelta(days=utc.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    since = (utc - monday - begins) % WEEK
    lasts = (ends - begins) % WEEK
    return utc - since + lasts if since < lasts else None


def _span(weekly: str) -> tuple[timedelta, timedelta]:
    """Where a weekly window begins and ends, since Monday. Raises ValueError."""
    moments = [_MOMENT.fullmatch(part.strip()) for part in weekly.split("-")]
    found = [_since_monday(*match.groups()) for match in moments if match]
    if len(moments) != 2 or len(found) != 2:
        raise ValueError("write a weekly window as Fri 16:00 - Mon 08:00, in UTC")
    return found[0], found[1]


def _since_monday(day: str, hour: str, minute: str) -> timedelta:
    return timedelta(days=DAYS.index(day), hours=int(hour), minutes=int(minute))


def frozen(windows: Iterable[Freeze], now: datetime) -> tuple[datetime, Freeze] | None:
    """When steps up are free again, and the window that ends last; None where they are free now.

    A window that begins before another ends carries it on.
    """
    left, held, until = list(windows), None, now
    while found := _longest(left, until):
        until, held = found
        left.remove(held)
    return (until, held) if held else None


def _longest(windows: Iterable[Freeze], at: datetime) -> tuple[datetime, Freeze] | None:
    ends: list[tuple[Any, Freeze]] = [(one.until(at), one) for one in windows]
    return max((each for each in ends if each[0]), key=lambda each: each[0], default=None)
