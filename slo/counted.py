"""Reads what the hourly counts know of the periods that run now."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from slo.domain import calendar
from slo.domain.looks import Counted, Periods, uncounted
from slo.domain.objectives import Objective
from slo.domain.spans import Span
from slo.models import PeriodCount

# Counts of an hour ago are not the present's: counting has stopped, and nothing is better than that.
STALE_AFTER = timedelta(hours=1)


def periods(now: datetime) -> Periods:
    """What was counted of each objective's running period. One query, whatever their number."""
    fresh = PeriodCount.objects.filter(counted_at__gt=now - STALE_AFTER).select_related("objective")
    held = {(row.objective.tier, row.objective.name): row for row in fresh}
    return lambda objective: _counted(objective, held, now)


def _counted(objective: Objective, held: Mapping[tuple[str, str], PeriodCount], now: datetime) -> Counted:
    row, span = held.get((objective.tier, objective.name)), running(objective, now)
    nothing = uncounted(objective)
    if objective.calendar:
        nothing = replace(nothing, length=span.length, remaining=span.end - now)
    # Right after a period's end the counts are those of the last one.
    if row is None or not row.covered or (objective.calendar and row.start != span.start):
        return nothing
    coverage = Decimal(str(row.measured / span.length))
    return replace(nothing, counts=row.counts, excluded=row.excluded, coverage=min(coverage, Decimal(1)))


def running(objective: Objective, now: datetime) -> Span:
    """The period that `now` is in; one that rolls ends now."""
    if objective.calendar:
        return calendar.period(objective.calendar, now)
    return Span(now - objective.period, now)
