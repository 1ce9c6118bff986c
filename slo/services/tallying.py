"""Adds the hourly counts up: to days, which are kept, and to the periods that run now."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet, Sum

from slo.counted import running
from slo.domain.spans import DAY, Span, day_of, midnight
from slo.models import DailyCount, HourlyCount, Objective, PeriodCount
from slo.models.counts import FIGURES

BATCH = 500
Sums = dict[int, dict[str, float]]
"""By objective: the sum of each figure."""


def roll(day: date) -> None:
    """Make the day of every objective the sum of its hours."""
    start = midnight(day)
    sums = _sums(HourlyCount.objects.filter(hour__gte=start, hour__lt=start + DAY))
    DailyCount.objects.bulk_create(
        [DailyCount(objective_id=pk, day=day, **figures) for pk, figures in sums.items()],
        BATCH,
        update_conflicts=True,
        unique_fields=["objective", "day"],
        update_fields=FIGURES,
    )


def renew(now: datetime) -> None:
    """Add up every objective's running period. Two queries and a write for each distinct period."""
    alike: dict[tuple[str, int], list[Objective]] = {}
    for row in Objective.objects.live().filter(problem=""):
        alike.setdefault((row.calendar, row.window_days), []).append(row)
    for rows in alike.values():
        _renew(rows, running(rows[0].plain(), now), now)


def _renew(rows: list[Objective], span: Span, now: datetime) -> None:
    sums = _within(
        span, {"objective__calendar": rows[0].calendar, "objective__window_days": rows[0].window_days}
    )
    PeriodCount.objects.bulk_create(
        [
            PeriodCount(
                objective=row, start=span.start, end=span.end, counted_at=now, **sums.get(row.pk, _ZERO)
            )
            for row in rows
        ],
        BATCH,
        update_conflicts=True,
        unique_fields=["objective"],
        update_fields=[*FIGURES, "start", "end", "counted_at"],
    )


_ZERO = dict.fromkeys(FIGURES, 0.0)


def _within(span: Span, only: Mapping[str, Any]) -> Sums:
    """The whole days of a span, and the hours of the day in which it begins."""
    first = day_of(span.start)
    after = first if first == span.start else first + DAY
    days = _sums(DailyCount.objects.filter(day__gte=after.date(), **only))
    hours = _sums(HourlyCount.objects.filter(hour__gte=span.start, hour__lt=after, **only))
    return {pk: _added(days.get(pk, _ZERO), hours.get(pk, _ZERO)) for pk in days.keys() | hours.keys()}


def _added(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one[name] + other[name] for name in FIGURES}


def _sums(counts: QuerySet[Any]) -> Sums:
    found = counts.values("objective_id").annotate(**{name: Sum(name) for name in FIGURES}).order_by()
    return {row.pop("objective_id"): row for row in found}
