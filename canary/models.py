"""Rollouts, their steps, and what the judge saw each tick."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from canary.domain.plan import MODES
from canary.domain.states import LIVE, ROLLOUT


class RolloutQuerySet(models.QuerySet["Rollout"]):
    def live(self) -> "RolloutQuerySet":
        return self.filter(state__in=LIVE)

    def due(self, now: datetime) -> "RolloutQuerySet":
        return self.live().filter(next_wakeup_at__lte=now)


class Rollout(models.Model):
    """One canary on one route. Whoever changes it bumps `version` by a conditional update.

    `retry_of` is the one that was rolled back and is tried again.
    `base` is the route's split when it began and `weight` the canary's share, in basis points. `push` is the
    latest change of weights on its way to the proxies. `evidence` is what the judge remembers.
    """

    route = models.ForeignKey("proxy.Route", on_delete=models.PROTECT, related_name="+")
    tier = models.CharField(max_length=63)
    route_name = models.CharField(max_length=63)
    upstream = models.CharField(max_length=63)
    base: "models.JSONField[dict[str, int], dict[str, int]]" = models.JSONField()
    plan: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField()
    mode = models.CharField(max_length=8, choices=[(mode, mode) for mode in MODES])
    key = models.CharField(max_length=100, null=True, unique=True)  # null: no key given
    retry_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="retries")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)

    state = models.CharField(max_length=20, choices=[(state, state) for state in ROLLOUT])
    step = models.PositiveSmallIntegerField(default=0)
    weight = models.PositiveIntegerField()
    stated_reason = models.TextField(blank=True)  # what was said at the start
    reason = models.TextField()  # why it is in its state
    problem = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=0)
    next_wakeup_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True)

    fence = models.PositiveIntegerField(null=True)
    overlay_expires_at = models.DateTimeField(null=True)
    push: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict)
    evidence: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict)
    folded_until = models.FloatField(null=True)
    no_data_since = models.DateTimeField(null=True)

    evidence_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    incident = models.PositiveBigIntegerField(null=True)

    objects = RolloutQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=["route"], condition=Q(state__in=LIVE), name="one_live_rollout_per_route"
            )
        ]

    def __str__(self) -> str:
        return f"rollout {self.pk}: {self.upstream} on {self.tier}/{self.route_name}, {self.state}"

    @property
    def owner(self) -> str:
        """Whose the lease and the overlay are."""
        return f"rollout/{self.pk}"

    @property
    def target(self) -> str:
        """What is leased in the tier."""
        return f"route/{self.route_name}/weights"

    @property
    def subject(self) -> str:
        """What the audit calls it."""
        return f"{self.tier}/route/{self.route_name}/rollout/{self.pk}"


class Step(models.Model):
    """One step that was entered: when its weights were obeyed and what ended it."""

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField()
    weight = models.PositiveIntegerField()
    began_at = models.DateTimeField()
    obeyed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    verdict = models.CharField(max_length=20, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"step {self.number} at {self.weight} of rollout {self.rollout_id}"


class Observation(models.Model):
    """One tick as the judge saw it: `figures` by metric: counts of both arms, log e-values, phi."""

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="observations")
    at = models.FloatField()
    weight = models.PositiveIntegerField()
    figures: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField()

    class Meta:
        ordering = ("at",)
        constraints = [models.UniqueConstraint(fields=["rollout", "at"], name="one_observation_per_tick")]

    def __str__(self) -> str:
        return f"{self.at} of rollout {self.rollout_id}"
