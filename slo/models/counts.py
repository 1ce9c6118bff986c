"""Events by the hour and the day, which outlive what Prometheus keeps. No row: it was not measured."""

from datetime import timedelta
from decimal import Decimal

from django.db import models
from django.db.models import Q

from slo.domain.burn import Counts
from slo.models.objectives import Objective

MADE = ("bad_proxy", "bad_backend", "bad_other")
COUNTED = ("events", *MADE)
EXCLUDED = tuple(f"excluded_{name}" for name in COUNTED)
FIGURES = (*COUNTED, *EXCLUDED, "covered")
"""What adds up from hours to days to periods."""


class Measured(models.Model):
    """Events of one objective in a span: all of them, and the part that corrections and maintenance exclude.

    `covered` is how many seconds of the span were measured.
    """

    events = models.FloatField(default=0)
    bad_proxy = models.FloatField(default=0)
    bad_backend = models.FloatField(default=0)
    bad_other = models.FloatField(default=0)
    excluded_events = models.FloatField(default=0)
    excluded_bad_proxy = models.FloatField(default=0)
    excluded_bad_backend = models.FloatField(default=0)
    excluded_bad_other = models.FloatField(default=0)
    covered = models.FloatField(default=0)

    class Meta:
        abstract = True

    @property
    def counts(self) -> Counts:
        """All that happened."""
        return Counts(*(Decimal(str(getattr(self, name))) for name in COUNTED))

    @property
    def excluded(self) -> Counts:
        """The part of it that budgets leave out."""
        return Counts(*(Decimal(str(getattr(self, name))) for name in EXCLUDED))

    @property
    def measured(self) -> timedelta:
        return timedelta(seconds=self.covered)


class CountedHour(models.Model):
    """An hour that was counted for every objective; the present one is counted again until it is over.

    Its row is what counting locks: of two counts of an hour the one that knows all of it stands.
    """

    hour = models.DateTimeField(unique=True)
    final = models.BooleanField(default=False)
    at = models.DateTimeField()
    # When Prometheus last gave no answer of it: others come first for a while.
    failed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00} {'counted' if self.final else 'so far'}"


class HourlyCount(Measured):
    """One hour of an objective. `stale`: what is excluded has changed and is counted again at the next tick.

    `estimated`: Prometheus no longer kept the excluded part, so that its share of the hour was taken.
    """

    objective = models.ForeignKey(Objective, on_delete=models.CASCADE, related_name="hours")
    hour = models.DateTimeField(db_index=True)
    stale = models.BooleanField(default=False)
    estimated = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint("objective", "hour", name="one_count_per_objective_and_hour")]
        indexes = [models.Index(fields=("hour",), condition=Q(stale=True), name="hours_to_count_again")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00} {self.events:.0f}"


class DailyCount(Measured):
    """One day (UTC) of an objective: the sum of its hours, kept when those are forgotten."""

    objective = models.ForeignKey(Objective, on_delete=models.CASCADE, related_name="days")
    day = models.DateField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint("objective", "day", name="one_count_per_objective_and_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.events:.0f}"


class PeriodCount(Measured):
    """The period that runs now, as the counts know it: its end is that of the calendar's, or the present."""

    objective = models.OneToOneField(Objective, on_delete=models.CASCADE, related_name="running")
    start = models.DateTimeField()
    end = models.DateTimeField()
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}"
