"""Rollouts, their steps, and what the judge saw each tick."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from canary.domain.hooks import CALL
from canary.domain.plan import MODES
from canary.domain.states import LIVE, ROLLOUT
from canary.domain.waves import RELEASE, RELEASE_LIVE


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
    reserve = models.TextField(blank=True)  # whether the other arms could take all of it back; see Load

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


class Load(models.Model):
    """What an upstream serves now, in requests per second by route, and what one endpoint was seen to take.

    `attempts` are all, retries too, and `firsts` the first ones. `shown_rps` is a lower bound of what an
    endpoint takes: the highest rate at which the upstream was well (`telemetry.domain.capacity`). Null: not
    known.
    """

    tier = models.CharField(max_length=63)
    upstream = models.CharField(max_length=63)
    at = models.DateTimeField()
    healthy = models.PositiveIntegerField(null=True)
    attempts: "models.JSONField[dict[str, float], dict[str, float]]" = models.JSONField(default=dict)
    firsts: "models.JSONField[dict[str, float], dict[str, float]]" = models.JSONField(default=dict)
    shown_rps = models.FloatField(null=True)
    shown_at = models.FloatField(null=True)  # Unix seconds
    shown_by_latency = models.BooleanField(default=False)

    class Meta:
        ordering = ("tier", "upstream")
        constraints = [models.UniqueConstraint(fields=["tier", "upstream"], name="one_load_per_upstream")]

    def __str__(self) -> str:
        return f"load of {self.tier}/{self.upstream}"


class Observation(models.Model):
    """One tick as the judge saw it, enough to judge it again (`domain/replay.py`).

    `tick` is what the judge was given and `figures` what it found, both by metric; `verdict` is the family's.
    `earns`: whether it could earn the step. `lap`: how often what earns a step was begun anew before it.
    `before` is the evidence before it, kept at the first tick and now and then.
    """

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="observations")
    at = models.FloatField()
    weight = models.PositiveIntegerField()
    figures: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField()
    tick: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict)
    earns = models.BooleanField(default=True)
    lap = models.PositiveIntegerField(default=0)
    verdict = models.CharField(max_length=20, default="")
    before: "models.JSONField[dict[str, Any] | None, dict[str, Any] | None]" = models.JSONField(null=True)

    class Meta:
        ordering = ("at",)
        constraints = [models.UniqueConstraint(fields=["rollout", "at"], name="one_observation_per_tick")]

    def __str__(self) -> str:
        return f"{self.at} of rollout {self.rollout_id}"


class HookCall(models.Model):
    """One question to one hook of a rollout's plan, asked until it is settled or its deadline has passed.

    `round` counts the steps that the rollout had entered when it was asked: a step that is entered again asks
    again. `weight` is the step's, in basis points. `next_at` is when to ask, or to ask again.
    """

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="hook_calls")
    hook = models.CharField(max_length=63)
    moment = models.CharField(max_length=6, choices=[("before", "before"), ("after", "after")])
    round = models.PositiveIntegerField()
    step = models.PositiveSmallIntegerField()
    weight = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=[(state, state) for state in CALL], default="asking")
    attempts = models.PositiveIntegerField(default=0)
    said = models.TextField(blank=True)  # the latest answer in words, or why there was none
    asked_at = models.DateTimeField()
    next_at = models.DateTimeField(db_index=True)
    deadline_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)  # a worker is asking it

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(
                fields=["rollout", "hook", "moment", "round"], name="one_question_per_hook_and_step"
            )
        ]

    def __str__(self) -> str:
        return f"{self.moment} {self.weight} of rollout {self.rollout_id}: {self.hook}, {self.state}"


class ReleaseQuerySet(models.QuerySet["Release"]):
    def live(self) -> "ReleaseQuerySet":
        return self.filter(state__in=RELEASE_LIVE)


class Release(models.Model):
    """One rollout over many routes and tiers, in waves. Whoever changes it holds its row.

    `declared` is what was asked for. `wave` is the present one, from 0. `back_to`: while it is rolled back,
    the first wave that is.
    """

    key = models.CharField(max_length=100, unique=True)
    declared: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField()
    state = models.CharField(max_length=20, choices=[(state, state) for state in RELEASE])
    wave = models.PositiveSmallIntegerField(default=0)
    back_to = models.PositiveSmallIntegerField(default=0)
    reason = models.TextField()
    problem = models.TextField(blank=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    finished_at = models.DateTimeField(null=True)

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"release {self.pk}: {self.key}, {self.state}"

    @property
    def subject(self) -> str:
        """What the audit calls it."""
        return f"release/{self.pk}"


class Member(models.Model):
    """One rollout of a release; `rollout` is null until its wave has begun it."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="members")
    wave = models.PositiveSmallIntegerField()
    place = models.PositiveSmallIntegerField()
    tier = models.CharField(max_length=63)
    route_name = models.CharField(max_length=63)
    upstream = models.CharField(max_length=63)
    rollout = models.OneToOneField(Rollout, null=True, on_delete=models.PROTECT, related_name="member")
    problem = models.TextField(blank=True)  # why it could not be started or taken back, at the latest attempt

    class Meta:
        ordering = ("wave", "place")
        constraints = [
            models.UniqueConstraint(fields=["release", "tier", "route_name"], name="one_member_per_route"),
        ]

    def __str__(self) -> str:
        return f"{self.upstream} on {self.tier}/{self.route_name} of release {self.release_id}"
