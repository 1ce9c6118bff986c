"""The rows of objectives: what is promised, what was counted, and what is left out of it."""

from slo.models.counts import CountedHour, DailyCount, HourlyCount, PeriodCount
from slo.models.exclusions import Correction, Maintenance
from slo.models.objectives import Budget, Objective, ObjectiveQuerySet

__all__ = [
    "Budget",
    "Correction",
    "CountedHour",
    "DailyCount",
    "HourlyCount",
    "Maintenance",
    "Objective",
    "ObjectiveQuerySet",
    "PeriodCount",
]
