"""Alerts, incidents, silences and the outbox of messages."""

from datetime import datetime

from django.db import models
from django.db.models import OuterRef, Q, Subquery

from alerts.domain.states import OPEN_STATES
from alerts.figures import FiguresField


class Incident(models.Model):
    """What is wrong on one target, joined from signals of one family of causes."""

    tier = models.CharField(max_length=63)
    route = models.CharField(max_length=63, blank=True)
    family = models.CharField(max_length=32)
    cause = models.CharField(max_length=32)
    state = models.CharField(max_length=16, default="OPEN", db_index=True)
    severity = models.CharField(max_length=8)
    originator = models.CharField(max_length=16)
    title = models.CharField(max_length=300)
    numbers = FiguresField(default=dict)
    action = models.TextField(blank=True)
    # What clients still feel while it is mitigated.
    standing = models.TextField(blank=True, default="")
    upstream = models.CharField(max_length=63, blank=True)
    runbook = models.CharField(max_length=63, blank=True)
    links = models.JSONField(default=list)
    flaps = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=1)
    opened_at = models.DateTimeField()
    acked_at = models.DateTimeField(null=True)
    acked_by = models.CharField(max_length=150, blank=True)
    resolved_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        ordering = ("-opened_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("tier", "route", "family"),
                condition=Q(state__in=OPEN_STATES),
                name="one_open_incident_per_target_and_family",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"

    @property
    def target(self) -> str:
        return f"{self.tier}/route/{self.route}" if self.route else self.tier


class Alert(models.Model):
    """One rule firing for one set of identity labels, from its first signal to its clearing."""

    fingerprint = models.CharField(max_length=32, db_index=True)
    rule = models.CharField(max_length=100)
    labels = models.JSONField(default=dict)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="alerts")
    state = models.CharField(max_length=16, default="FIRING", db_index=True)
    severity = models.CharField(max_length=8)
    originator = models.CharField(max_length=16)
    # Which upstream the originator is, where that is known: identity does not depend on it.
    upstream = models.CharField(max_length=63, blank=True, default="")
    cause = models.CharField(max_length=32)
    summary = models.TextField()
    numbers = FiguresField(default=dict)
    action = models.TextField(blank=True)
    runbook = models.CharField(max_length=63, blank=True)
    # (words, path) of the pages that show what it is about, as it was when it fired.
    links = models.JSONField(default=list)
    count = models.PositiveIntegerField(default=1)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    # Since when something is done that takes its symptom away; it may still fire.
    mitigated_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    why_resolved = models.TextField(blank=True)

    class Meta:
        ordering = ("-last_seen", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("fingerprint",), condition=Q(state="FIRING"), name="one_firing_alert_per_fingerprint"
            )
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.state}"


class TimelineEntry(models.Model):
    """What happened in an incident, in order."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="timeline")
    at = models.DateTimeField()
    kind = models.CharField(max_length=16)
    actor = models.CharField(max_length=150)
    text = models.TextField()
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.text}"


class SilenceQuerySet(models.QuerySet["Silence"]):
    """Silences by what they cover."""

    def live(self, now: datetime) -> "SilenceQuerySet":
        return self.filter(starts_at__lte=now, ends_at__gt=now)

    def covering(self, *, tier: str, route: str) -> "SilenceQuerySet":
        return self.filter(Q(tier=tier) & (Q(route="") | Q(route=route)))


class Silence(models.Model):
    """Nothing is sent about a target, and no automatic run starts on it, until it ends. Reverts go on."""

    tier = models.CharField(max_length=63)
    route = models.CharField(max_length=63, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(db_index=True)
    ended = models.BooleanField(default=False)
    by = models.CharField(max_length=150)
    reason = models.TextField()

    objects = SilenceQuerySet.as_manager()

    class Meta:
        ordering = ("-ends_at",)

    def __str__(self) -> str:
        return f"{self.tier}/{self.route or '*'} until {self.ends_at:%Y-%m-%d %H:%M}"


class OutboxQuerySet(models.QuerySet["Outbox"]):
    """Rows by what is to be done with them."""

    def due(self, now: datetime) -> "OutboxQuerySet":
        """What may be sent now, the oldest first: not what goes into a thread whose root is still to come."""
        root = Outbox.objects.filter(incident=OuterRef("incident"), op="post", pk__lt=OuterRef("pk"))
        root = root.order_by("id")
        waiting = Q(root_state="SENDING") | Q(root_state="PENDING", root_next_at__gt=now)
        return (
            self.filter(state="PENDING", next_at__lte=now)
            .annotate(root_state=Subquery(root.values("state")[:1]))
            .annotate(root_next_at=Subquery(root.values("next_at")[:1]))
            .filter(Q(root_state=None) | ~waiting)
            .order_by("id")
        )


class Outbox(models.Model):
    """One message to send, written in the transaction that changed the state it tells of."""

    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=16)
    # A post is sent at most once; an update sets what a message shows and may be repeated.
    op = models.CharField(max_length=8, default="post")
    incident = models.ForeignKey(Incident, null=True, on_delete=models.CASCADE, related_name="messages")
    payload = models.JSONField()
    state = models.CharField(max_length=16, default="PENDING", db_index=True)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(db_index=True)
    channel = models.CharField(max_length=64, blank=True)
    ts = models.CharField(max_length=32, blank=True)
    claim_token = models.CharField(max_length=32, blank=True)
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()

    objects = OutboxQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "outbox"

    def __str__(self) -> str:
        return f"{self.key} {self.state}"


class Heartbeat(models.Model):
    """When a part of the automation last did its round."""

    name = models.CharField(max_length=63, unique=True)
    at = models.DateTimeField()
    every = models.DurationField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} {self.at:%H:%M:%S}"
