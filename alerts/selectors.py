"""Describes alerts, incidents, silences and the outbox for pages and API."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q

from alerts.domain.message import originator_words
from alerts.domain.states import OPEN_STATES
from alerts.models import Alert, Heartbeat, Incident, Outbox, Silence, TimelineEntry

LATE_AFTER = 3


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of an incident's timeline. `kind`: signal, clear, state, action, person or message."""

    at: datetime
    kind: str
    actor: str
    text: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert; `state` is FIRING or RESOLVED, `count` how often it was signalled."""

    id: int
    rule: str
    labels: dict[str, str]
    tier: str
    route: str
    state: str
    severity: str
    originator: str
    cause: str
    summary: str
    numbers: dict[str, str]
    action: str
    runbook: str
    count: int
    first_seen: datetime
    last_seen: datetime
    resolved_at: datetime | None
    why_resolved: str
    incident_id: int


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One row of the outbox: what is sent where, and what came of it."""

    id: int
    key: str
    kind: str
    op: str
    state: str
    text: str
    blocks: list[dict[str, Any]]
    attempts: int
    error: str
    next_at: datetime
    sent_at: datetime | None
    created_at: datetime
    channel: str
    ts: str
    incident_id: int | None


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """A silence over a target; an empty route covers the whole tier."""

    id: int
    tier: str
    route: str
    starts_at: datetime
    ends_at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident. `originator` is in words, such as "backend shop-v2". Parts are filled by `incident`."""

    id: int
    tier: str
    route: str
    target: str
    family: str
    cause: str
    state: str
    severity: str
    originator: str
    upstream: str
    title: str
    numbers: dict[str, str]
    action: str
    runbook: str
    flaps: int
    firing: int
    opened_at: datetime
    acked_at: datetime | None
    acked_by: str
    resolved_at: datetime | None
    standing: str = ""
    timeline: tuple[EntryRow, ...] = field(default=())
    alerts: tuple[AlertRow, ...] = field(default=())
    messages: tuple[MessageRow, ...] = field(default=())

    @property
    def open(self) -> bool:
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True)
class HeartbeatRow:
    """When a part of the automation last did its round; `late` when that is more than three rounds ago."""

    name: str
    at: datetime
    age: timedelta
    late: bool


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How many messages wait, are being sent, have an unknown outcome or failed; the oldest that waits."""

    pending: int
    sending: int
    unknown: int
    failed: int
    oldest_pending: datetime | None
    last_error: str


def open_incidents(*, tier: str = "", route: str | None = None) -> list[IncidentRow]:
    """What is not resolved, newest first."""
    found = Incident.objects.filter(state__in=OPEN_STATES)
    if tier:
        found = found.filter(tier=tier)
    if route is not None:
        found = found.filter(route=route)
    return [_incident(row) for row in found.annotate(firing=_FIRING)]


def incidents(*, state: str = "", tier: str = "", limit: int = 100) -> list[IncidentRow]:
    """The newest first, open or not."""
    found = Incident.objects.all()
    if state:
        found = found.filter(state=state)
    if tier:
        found = found.filter(tier=tier)
    return [_incident(row) for row in found.annotate(firing=_FIRING)[:limit]]


def opened(*, tier: str, since: datetime, limit: int = 50) -> list[IncidentRow]:
    """The incidents of a tier that opened since then, the newest first."""
    found = Incident.objects.filter(tier=tier, opened_at__gte=since)
    return [_incident(row) for row in found.annotate(firing=_FIRING)[:limit]]


def incident(incident_id: int) -> IncidentRow | None:
    """One incident with its timeline, alerts and messages; None when there is none."""
    row = Incident.objects.annotate(firing=_FIRING).filter(pk=incident_id).first()
    if row is None:
        return None
    return _incident(
        row,
        timeline=tuple(_entry(e) for e in row.timeline.all()),
        alerts=tuple(_alert(a, row) for a in row.alerts.all()),
        messages=tuple(_message(m) for m in row.messages.order_by("id")),
    )


def unhandled_causes(*, tier: str, route: str) -> set[str]:
    """The causes of what fires on the target and that nothing has been done about yet."""
    firing = Alert.objects.filter(state="FIRING", mitigated_at=None)
    return set(firing.filter(incident__tier=tier, incident__route=route).values_list("cause", flat=True))


def alerts(*, state: str = "", limit: int = 200) -> list[AlertRow]:
    """The last seen first."""
    found = Alert.objects.select_related("incident")
    if state:
        found = found.filter(state=state)
    return [_alert(row, row.incident) for row in found[:limit]]


def fired(*, rules: Collection[str], since: datetime, until: datetime, tier: str = "") -> list[AlertRow]:
    """The alerts of these rules that fired at any time in [since, until), the first one first; of one tier
    or of all.
    """
    over = Q(resolved_at__lte=since)
    found = (
        Alert.objects.filter(rule__in=rules, first_seen__lt=until).exclude(over).select_related("incident")
    )
    if tier:
        found = found.filter(incident__tier=tier)
    return [_alert(row, row.incident) for row in found.order_by("first_seen", "id")]


def messages(*, state: str = "", limit: int = 100) -> list[MessageRow]:
    """The newest messages first, updates among them."""
    found = Outbox.objects.all()
    if state:
        found = found.filter(state=state)
    return [_message(row) for row in found[:limit]]


def message(key: str) -> MessageRow | None:
    """The message with this key; None when there is none."""
    row = Outbox.objects.filter(key=key).first()
    return None if row is None else _message(row)


def outbox_state() -> OutboxState:
    """Whether messages go out, for the overview."""
    counts = {
        row["state"]: row["n"] for row in Outbox.objects.order_by().values("state").annotate(n=Count("id"))
    }
    waiting = Outbox.objects.filter(state="PENDING").order_by("created_at").first()
    troubled = Outbox.objects.exclude(state="SENT").exclude(error="").order_by("-id").first()
    return OutboxState(
        pending=counts.get("PENDING", 0),
        sending=counts.get("SENDING", 0),
        unknown=counts.get("UNKNOWN", 0),
        failed=counts.get("FAILED", 0),
        oldest_pending=waiting.created_at if waiting else None,
        last_error=troubled.error if troubled else "",
    )


def silences(*, now: datetime) -> list[SilenceRow]:
    """Those in force, the one that ends last first."""
    return [
        SilenceRow(s.pk, s.tier, s.route, s.starts_at, s.ends_at, s.by, s.reason)
        for s in Silence.objects.live(now)
    ]


def silenced(*, tier: str, route: str, now: datetime) -> bool:
    """Whether a silence covers the target now."""
    return Silence.objects.live(now).covering(tier=tier, route=route).exists()


def heartbeats(*, now: datetime) -> list[HeartbeatRow]:
    """When each part of the automation last did its round."""
    return [
        HeartbeatRow(h.name, h.at, now - h.at, now - h.at > h.every * LATE_AFTER)
        for h in Heartbeat.objects.all()
    ]


_FIRING = Count("alerts", filter=Q(alerts__state="FIRING"))


def _incident(
    row: Incident,
    *,
    timeline: tuple[EntryRow, ...] = (),
    alerts: tuple[AlertRow, ...] = (),
    messages: tuple[MessageRow, ...] = (),
) -> IncidentRow:
    return IncidentRow(
        id=row.pk,
        tier=row.tier,
        route=row.route,
        target=row.target,
        family=row.family,
        cause=row.cause,
        state=row.state,
        severity=row.severity,
        originator=originator_words(row.originator, row.upstream),
        upstream=row.upstream,
        title=row.title,
        numbers=row.numbers,
        action=row.action,
        runbook=row.runbook,
        flaps=row.flaps,
        firing=getattr(row, "firing", 0),
        opened_at=row.opened_at,
        acked_at=row.acked_at,
        acked_by=row.acked_by,
        resolved_at=row.resolved_at,
        standing=row.standing,
        timeline=timeline,
        alerts=alerts,
        messages=messages,
    )


def _alert(row: Alert, incident: Incident) -> AlertRow:
    return AlertRow(
        id=row.pk,
        rule=row.rule,
        labels=row.labels,
        tier=incident.tier,
        route=incident.route,
        state=row.state,
        severity=row.severity,
        originator=originator_words(row.originator, row.upstream),
        cause=row.cause,
        summary=row.summary,
        numbers=row.numbers,
        action=row.action,
        runbook=row.runbook,
        count=row.count,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        resolved_at=row.resolved_at,
        why_resolved=row.why_resolved,
        incident_id=row.incident_id,
    )


def _message(row: Outbox) -> MessageRow:
    return MessageRow(
        id=row.pk,
        key=row.key,
        kind=row.kind,
        op=row.op,
        state=row.state,
        text=row.payload["text"],
        blocks=row.payload["blocks"],
        attempts=row.attempts,
        error=row.error,
        next_at=row.next_at,
        sent_at=row.sent_at,
        created_at=row.created_at,
        channel=row.channel,
        ts=row.ts,
        incident_id=row.incident_id,
    )


def _entry(row: TimelineEntry) -> EntryRow:
    return EntryRow(row.at, row.kind, row.actor, row.text, row.detail)
