"""How much of a budget was left at the end of each day: the line of a burn-down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate

from slo.domain import calendar
from slo.domain.budget import budget
from slo.domain.burn import NOTHING, Counts
from slo.domain.objectives import Objective
from slo.domain.spans import DAY, midnight


@dataclass(frozen=True, slots=True)
class Day:
    """What was counted of a day, and how long it was measured. `counts` hold what is `excluded`, too."""

    day: date
    counts: Counts = NOTHING
    excluded: Counts = NOTHING
    measured: timedelta = timedelta(0)

    @property
    def corrected(self) -> Counts:
        return self.counts - self.excluded


@dataclass(frozen=True, slots=True)
class Point:
    """The budget left (1 to below 0) when a day ended, with and without what is excluded; None: no events."""

    day: Day
    left: Decimal | None
    left_uncorrected: Decimal | None


def starts(objective: Objective) -> Callable[[date], date]:
    """The first day of the period that a day is the last known of."""
    if objective.calendar is None:
        return lambda day: day - objective.period + DAY
    kind = objective.calendar
    return lambda day: calendar.period(kind, midnight(day)).start.date()


def burn_down(objective: Objective, days: Sequence[Day]) -> tuple[Point, ...]:
    """A point for each of `days`, which follow one another without a gap; the first ones know only what is
    there before them. Each sum is a difference of running totals.
    """
    totals = list(accumulate((day.counts for day in days), initial=NOTHING))
    corrected = list(accumulate((day.corrected for day in days), initial=NOTHING))
    start = starts(objective)
    points = []
    for index, day in enumerate(days):
        first = max(0, index - (day.day - start(day.day)).days)
        left, raw = (_left(line[index + 1] - line[first], objective.target) for line in (corrected, totals))
        points.append(Point(day, left, raw))
    return tuple(points)


def _left(counts: Counts, target: Decimal) -> Decimal | None:
    found = budget(counts, target)
    return found.left if found else None


def filled(days: Sequence[Day], first: date, last: date) -> tuple[Day, ...]:
    """Every day from `first` to `last`; those that were not counted were not measured."""
    known = {day.day: day for day in days}
    every = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(known.get(day) or Day(day) for day in every)
