"""Spans of time: half-open, so that one ends where the next begins."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `start` up to `end`, which is outside; aware UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def within(self, other: "Span") -> "Span | None":
        """The part of this that lies in `other`; None when nothing does."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start < end else None


def hour_of(at: datetime) -> datetime:
    """The beginning of the hour, in UTC."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(at: datetime) -> datetime:
    """The beginning of the day, in UTC."""
    return midnight(at.astimezone(UTC).date())


def hours(start: datetime, end: datetime) -> Iterator[datetime]:
    """The beginnings of the full hours that lie in [start, end)."""
    at = hour_of(start)
    if at < start:
        at += HOUR
    while at + HOUR <= end:
        yield at
        at += HOUR


def merged(spans: Iterable[Span], within: Span) -> tuple[Span, ...]:
    """The parts of `within` that any of `spans` covers, in order, none touching another."""
    found: list[Span] = []
    for span in sorted(part for each in spans if (part := each.within(within))):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def midnight(day: date) -> datetime:
    """When a day begins, in UTC."""
    return datetime.combine(day, time(), tzinfo=UTC)
