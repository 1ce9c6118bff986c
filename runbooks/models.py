"""Runs, what led them, approvals, and how far each runbook may go."""

from django.db import models
from django.db.models import Q

from runbooks.domain.states import OPEN
from runbooks.domain.targets import target_of


class RunQuerySet(models.QuerySet["Run"]):
    """Runs by what is to be done with them."""

    def open(self) -> "RunQuerySet":
        return self.filter(state__in=OPEN)

    def on(self, *, runbook: str, tier: str, scope: str, subject: str) -> "RunQuerySet":
        return self.filter(runbook=runbook, tier=tier, scope=scope, subject=subject)


class Run(models.Model):
    """One run of a runbook on one target. Every change is conditional on `version` and `claim_token`.

    It is about `subject`, the name of a route or an upstream of the tier; empty where it is about all of it.
    """

    runbook = models.CharField(max_length=63)
    tier = models.CharField(max_length=63)
    scope = models.CharField(max_length=8, default="route")
    subject = models.CharField(max_length=63, blank=True)
    state = models.CharField(max_length=24, default="PROPOSED", db_index=True)
    version = models.PositiveIntegerField(default=1)
    claim_token = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True)
    incident = models.ForeignKey("alerts.Incident", null=True, on_delete=models.SET_NULL, related_name="runs")
    why = models.TextField()
    # The person who started it, and the one who has taken it over.
    by_hand = models.CharField(max_length=150, blank=True, default="")
    taken_by = models.CharField(max_length=150, blank=True, default="")
    # The runbook as it was at the start: an edit never changes a run under way.
    # As text: a database may keep an object's names in another order, and signals stand on those before.
    definition = models.TextField(default="")
    policy = models.JSONField()
    plan = models.JSONField(null=True)
    plan_hash = models.CharField(max_length=32, blank=True)
    before = models.JSONField(null=True)
    fences = models.JSONField(default=dict)
    generation = models.PositiveBigIntegerField(null=True)
    overlay_expires_at = models.DateTimeField(null=True)
    mitigated_at = models.DateTimeField(null=True, db_index=True)
    applied_at = models.DateTimeField(null=True)
    extended = models.BooleanField(default=False)
    ending = models.CharField(max_length=16, blank=True)
    ending_why = models.TextField(blank=True)
    started_at = models.DateTimeField()
    entered_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, db_index=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("runbook", "tier", "scope", "subject"),
                condition=Q(state__in=OPEN),
                name="one_open_run_per_runbook_and_target",
            )
        ]

    def __str__(self) -> str:
        return f"{self.runbook} #{self.pk} on {self.target}"

    @property
    def target(self) -> str:
        return target_of(self.tier, self.scope, self.subject)

    @property
    def words(self) -> str:
        """What it is about, as a sentence names it."""
        return self.subject or self.tier

    @property
    def owner(self) -> str:
        """Who holds the targets' leases."""
        return f"run/{self.pk}"


class Step(models.Model):
    """One transition of a run: one a version."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    version = models.PositiveIntegerField()
    at = models.DateTimeField()
    event = models.CharField(max_length=24)
    state = models.CharField(max_length=24)
    actor = models.CharField(max_length=150)
    why = models.TextField()
    evidence = models.JSONField(default=dict)

    class Meta:
        ordering = ("version",)
        constraints = [models.UniqueConstraint(fields=("run", "version"), name="one_step_per_version")]

    def __str__(self) -> str:
        return f"{self.version} {self.state}"


class Act(models.Model):
    """One step of a run's remedy that is no overlay: the row is its INTENT, its state and answer its OUTCOME.

    States and their events are `domain.calls.CALL`; who sends what is due claims it as runs are claimed.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="acts")
    place = models.PositiveSmallIntegerField()
    phase = models.CharField(max_length=4, default="do")
    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=100, unique=True)
    said = models.JSONField()
    state = models.CharField(max_length=8, default="due", db_index=True)
    answer = models.TextField(blank=True)
    evidence = models.JSONField(default=dict)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    claim_token = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True)
    intended_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=("run", "place", "phase"), name="one_act_per_step_and_phase")
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.state}"


class Measurement(models.Model):
    """What was measured while a run was open."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="measurements")
    at = models.DateTimeField()
    values = models.JSONField()

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S}"


class Approval(models.Model):
    """A person's yes to one exact plan: single use, with an end."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="approvals")
    plan_hash = models.CharField(max_length=32)
    by = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.by} for {self.plan_hash}"


class Setting(models.Model):
    """How far a runbook may go by itself on a tier, and what differs there from its text."""

    runbook = models.CharField(max_length=63)
    tier = models.CharField(max_length=63)
    mode = models.CharField(max_length=8, blank=True)
    policy = models.JSONField(default=dict)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("runbook", "tier"), name="one_setting_per_runbook_tier")
        ]

    def __str__(self) -> str:
        return f"{self.runbook} on {self.tier}: {self.mode or 'as declared'}"


class Switch(models.Model):
    """The kill switch: one row, which also serialises the gates of all runs."""

    name = models.CharField(max_length=16, unique=True)
    on = models.BooleanField(default=False)
    by = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "switches"

    def __str__(self) -> str:
        return f"{self.name}: {'on' if self.on else 'off'}"


class Detection(models.Model):
    """The newest look of a runbook at a target."""

    runbook = models.CharField(max_length=63)
    tier = models.CharField(max_length=63)
    scope = models.CharField(max_length=8, default="route")
    subject = models.CharField(max_length=63, blank=True)
    at = models.DateTimeField()
    said = models.CharField(max_length=8)
    why = models.TextField()
    values = models.JSONField()
    since = models.DateTimeField()
    incident = models.ForeignKey("alerts.Incident", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("runbook", "tier", "subject")
        constraints = [
            models.UniqueConstraint(
                fields=("runbook", "tier", "scope", "subject"), name="one_detection_per_target"
            )
        ]

    def __str__(self) -> str:
        return f"{self.runbook} {target_of(self.tier, self.scope, self.subject)}: {self.said}"


class RunbookVersion(models.Model):
    """One version of a runbook of a team's own: its file as written, or, with `gone`, that it was deleted.

    The newest holds. Versions are added and never changed.
    """

    slug = models.CharField(max_length=63)
    number = models.PositiveIntegerField()
    source = models.TextField(blank=True)
    gone = models.BooleanField(default=False)
    by = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ("slug", "-id")
        constraints = [
            models.UniqueConstraint(fields=("slug", "number"), name="one_runbook_version_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.slug} version {self.number}"


class DrillReport(models.Model):
    """One drill: while it goes on, and what it found.

    `lock` is held by the one that is under way and says so by `seen_at`. `settings` is how far the runbook
    could go before the drill, serialized, to be put back.
    """

    name = models.CharField(max_length=63, db_index=True)
    runbook = models.CharField(max_length=63, blank=True, db_index=True)
    tier = models.CharField(max_length=63, blank=True)
    by = models.CharField(max_length=150)
    lock = models.CharField(max_length=8, null=True, unique=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    doing = models.TextField(blank=True)
    defence_held = models.BooleanField(null=True)
    runbook_held = models.CharField(max_length=4, blank=True)
    trouble = models.TextField(blank=True)
    found = models.JSONField(null=True)
    settings = models.TextField(blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"drill {self.name} #{self.pk}"
