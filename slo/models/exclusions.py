"""What people take out of budgets: corrections of what was, and maintenance that is to come."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from slo.domain.corrections import Scope
from slo.domain.maintenance import Window
from slo.domain.spans import Span


class Scoped(models.Model):
    """What it is about, who wanted it and why; and who took it back. Rows are never deleted."""

    tier = models.CharField(max_length=63)
    route = models.CharField(max_length=120, blank=True)
    objective = models.CharField(max_length=80, blank=True)
    by = models.CharField(max_length=150)
    reason = models.TextField()
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    removed_by = models.CharField(max_length=150, blank=True)
    removed_why = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def scope(self) -> Scope:
        return Scope(self.tier, self.route, self.objective)


class CorrectionQuerySet(models.QuerySet["Correction"]):
    """Named questions about corrections."""

    def standing(self) -> "CorrectionQuerySet":
        """Those that nobody took back."""
        return self.filter(removed_at=None)

    def within(self, span: Span) -> "CorrectionQuerySet":
        return self.filter(starts_at__lt=span.end, ends_at__gt=span.start)


class Correction(Scoped):
    """A span of the past whose events budgets leave out."""

    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(db_index=True)

    objects = CorrectionQuerySet.as_manager()

    class Meta:
        ordering = ("-starts_at", "-id")
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="correction_has_a_length")
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.starts_at:%Y-%m-%d %H:%M} to {self.ends_at:%Y-%m-%d %H:%M}"

    @property
    def span(self) -> Span:
        return Span(self.starts_at, self.ends_at)


class MaintenanceQuerySet(models.QuerySet["Maintenance"]):
    """Named questions about maintenance windows."""

    def standing(self, now: datetime) -> "MaintenanceQuerySet":
        """Those that are on or to come: what nobody ended, and what repeats or is not over."""
        return self.filter(removed_at=None).filter(~Q(rule="") | Q(starts_at__gt=now - F("lasts")))

    def begun(self, span: Span) -> "MaintenanceQuerySet":
        """Those that may have been on in `span`."""
        over = Q(removed_at__lte=span.start) | Q(rule="", starts_at__lte=span.start - F("lasts"))
        return self.filter(starts_at__lt=span.end).exclude(over)


class Maintenance(Scoped):
    """A window in which nothing is told, once or repeating by iCalendar's rule, in UTC. Removing ends it."""

    starts_at = models.DateTimeField(db_index=True)
    lasts = models.DurationField()
    rule = models.CharField(max_length=200, blank=True)

    objects = MaintenanceQuerySet.as_manager()

    class Meta:
        ordering = ("-starts_at", "-id")

    def __str__(self) -> str:
        return f"{self.scope} {self.starts_at:%Y-%m-%d %H:%M} for {self.lasts}"

    @property
    def window(self) -> Window:
        return Window(self.starts_at, self.lasts, self.rule, self.removed_at)
