"""Alerts, incidents, silences and the outbox of messages."""

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q, Subquery

from alerts.domain import delivery
from alerts.domain.states import LIVE_ALERTS, OPEN_STATES
from alerts.figures import FiguresField


class IncidentQuerySet(models.QuerySet["Incident"]):
    """Incidents by what is still to be done about them."""

    def open(self) -> "IncidentQuerySet":
        return self.filter(state__in=OPEN_STATES)

    def to_escalate(self, now: datetime) -> "IncidentQuerySet":
        """Pages that nobody has acknowledged when the next one was to be told."""
        return self.filter(state="OPEN", severity="page", explained_by=None, escalates_at__lte=now)


class Incident(models.Model):
    """What is wrong on one target, joined from signals of one family of causes.

    A target is a route, an upstream, or the tier as a whole.
    """

    tier = models.CharField(max_length=63)
    route = models.CharField(max_length=63, blank=True)
    of_upstream = models.CharField(max_length=63, blank=True, default="")
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
    # The incident whose cause explains this one: while that one is open, nobody is told of this one.
    explained_by = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="explained")
    # Something of it was held back: it is told once nothing holds it back any more.
    untold = models.BooleanField(default=False, db_index=True)
    # How often it has called for people, since when it does, and when the next one is told.
    pages = models.PositiveIntegerField(default=0)
    paged_at = models.DateTimeField(null=True)
    escalates_at = models.DateTimeField(null=True, db_index=True)
    opened_at = models.DateTimeField()
    acked_at = models.DateTimeField(null=True)
    acked_by = models.CharField(max_length=150, blank=True)
    resolved_at = models.DateTimeField(null=True, db_index=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ("-opened_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("tier", "route", "of_upstream", "family"),
                condition=Q(state__in=OPEN_STATES),
                name="one_open_incident_per_target_and_family",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"

    @property
    def target(self) -> str:
        return target(self.tier, self.route, self.of_upstream, self.family)


def target(tier: str, route: str, upstream: str, family: str) -> str:
    """The target's name, as leases and the audit write it. Without a tier it is Sluice's own, or outside."""
    if not tier:
        return "sluice" if family == "automation" else "outside"
    if route:
        return f"{tier}/route/{route}"
    return f"{tier}/upstream/{upstream}" if upstream else tier


class Alert(models.Model):
    """One rule firing for one set of identity labels, from its first signal to its clearing.

    While it is PENDING it belongs to no incident yet.
    """

    fingerprint = models.CharField(max_length=32, db_index=True)
    rule = models.CharField(max_length=100)
    labels = models.JSONField(default=dict)
    incident = models.ForeignKey(Incident, null=True, on_delete=models.CASCADE, related_name="alerts")
    state = models.CharField(max_length=16, default="FIRING", db_index=True)
    severity = models.CharField(max_length=8)
    originator = models.CharField(max_length=16)
    # Which upstream the originator is, where that is known: identity does not depend on it.
    upstream = models.CharField(max_length=63, blank=True, default="")
    # The one upstream that it is about, where it is about one, and those that its target's requests go to.
    about = models.CharField(max_length=63, blank=True, default="", db_index=True)
    through = models.JSONField(default=list)
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
    # Since when its condition no longer holds; it fires until that has lasted.
    clear_since = models.DateTimeField(null=True)
    # Since when something is done that takes its symptom away; it may still fire.
    mitigated_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    why_resolved = models.TextField(blank=True)

    class Meta:
        ordering = ("-last_seen", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("fingerprint",),
                condition=Q(state__in=LIVE_ALERTS),
                name="one_live_alert_per_fingerprint",
            )
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.state}"


class Episode(models.Model):
    """When an alert that comes from outside last began and ended, in its sender's words: what tells late and
    doubled deliveries from news.
    """

    fingerprint = models.CharField(max_length=32, unique=True)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.fingerprint} {self.began_at:%Y-%m-%d %H:%M:%S}"


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

    def covering(
        self, *, tier: str, route: str = "", upstream: str = "", family: str = ""
    ) -> "SilenceQuerySet":
        whole = Q(route="", upstream="")
        mine = Q(route=route, upstream=upstream)
        return self.filter(whole | mine, tier=tier, family__in=("", family))


class Silence(models.Model):
    """Nothing is sent about a target, and no automatic run starts on it, until it ends. Reverts go on.

    Without a route and an upstream it covers the whole tier; with a family only the causes of that family,
    as for what comes from outside and belongs to no tier.
    """

    tier = models.CharField(max_length=63)
    route = models.CharField(max_length=63, blank=True)
    upstream = models.CharField(max_length=63, blank=True, default="")
    family = models.CharField(max_length=32, blank=True, default="")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(db_index=True)
    ended = models.BooleanField(default=False)
    by = models.CharField(max_length=150)
    reason = models.TextField()

    objects = SilenceQuerySet.as_manager()

    class Meta:
        ordering = ("-ends_at",)

    def __str__(self) -> str:
        return f"{self.target} until {self.ends_at:%Y-%m-%d %H:%M}"

    @property
    def target(self) -> str:
        return target(self.tier, self.route, self.upstream, self.family)


class OutboxQuerySet(models.QuerySet["Outbox"]):
    """Rows by what is to be done with them."""

    def due(self, now: datetime) -> "OutboxQuerySet":
        """What may be sent now, the oldest first: not what goes into a thread whose root is still to come or
        still looked for, nor what is for a channel that Slack has told to wait.
        """
        root = Outbox.objects.filter(incident=OuterRef("incident"), op="post", to=OuterRef("to"))
        root = root.filter(pk__lt=OuterRef("pk")).order_by("id")
        waiting = Q(root_state="SENDING") | Q(root_state="PENDING", root_next_at__gt=now)
        waiting |= Q(
            root_state="UNKNOWN",
            root_next_at__lte=now + delivery.SOUGHT_WITHIN,
            root_claimed_at__gt=now - delivery.PROOF_FOR,
        )
        held = ChannelHold.objects.filter(until__gt=now)
        return (
            self.filter(state="PENDING", next_at__lte=now)
            .exclude(to__in=held.values("channel"))
            .annotate(root_state=Subquery(root.values("state")[:1]))
            .annotate(root_next_at=Subquery(root.values("next_at")[:1]))
            .annotate(root_claimed_at=Subquery(root.values("claimed_at")[:1]))
            .filter(Q(root_state=None) | ~waiting)
            .exclude(op="event")
            .order_by("id")
        )

    def events_due(self, now: datetime) -> "OutboxQuerySet":
        """The first event of each incident and receiver that is not settled, where it may be sent now: what
        ends must not arrive before what began.
        """
        before = Outbox.objects.filter(
            op="event",
            receiver=OuterRef("receiver"),
            incident=OuterRef("incident"),
            pk__lt=OuterRef("pk"),
            state__in=("PENDING", "SENDING"),
        )
        mine = self.filter(op="event", state="PENDING", next_at__lte=now)
        return mine.exclude(Exists(before)).order_by("id")


class Outbox(models.Model):
    """One message to send, written in the transaction that changed the state it tells of."""

    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=16)
    # A post is sent at most once; an update sets what a message shows and may be repeated; a whisper is a
    # word to whoever pressed a button, sent at most once and forgotten; an event goes to a service that
    # knows it by its key, so that it is sent at least once.
    op = models.CharField(max_length=8, default="post")
    # An event: the declared receiver that it is for.
    receiver = models.CharField(max_length=63, blank=True, default="", db_index=True)
    # The channel that it is for, by its name; empty: the one that the settings name.
    to = models.CharField(max_length=80, blank=True, default="")
    # An update: the key of the message that it changes; empty: the first message of its incident.
    of = models.CharField(max_length=200, blank=True, default="")
    # Whether what was posted shows buttons that could still be pressed.
    offers = models.BooleanField(default=False, db_index=True)
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


class ChannelHold(models.Model):
    """Until when Slack wants nothing for a channel; the empty name is the one that the settings name."""

    channel = models.CharField(max_length=80, unique=True)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.channel or 'the channel'} until {self.until:%H:%M:%S}"


class Offer(models.Model):
    """What one button does, and whether somebody has pressed it: once. The message bears the nonce alone."""

    nonce = models.CharField(max_length=43, unique=True)
    action = models.CharField(max_length=63)
    subject = models.PositiveBigIntegerField()
    bound = models.CharField(max_length=100, blank=True)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    pressed_at = models.DateTimeField(null=True)
    pressed_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=("action", "subject", "bound"), name="one_offer_per_action_and_binding"
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.subject}"


class SeenRequest(models.Model):
    """A signed request, or an envelope, that was taken: it is not taken twice."""

    key = models.CharField(max_length=200, unique=True)
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key
