"""Describes alerts, incidents, silences and the outbox for pages and API."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from alerts import receivers
from alerts.domain import causes, escalation
from alerts.models import Alert, Heartbeat, Incident, IncidentQuerySet, Outbox, Silence
from alerts.rows import (
    AlertRow,
    IncidentRow,
    MessageRow,
    SilenceRow,
    alert_row,
    incident_row,
    message_row,
    silence_row,
    story,
)

LATE_AFTER = 3
PING = "ping"


@dataclass(frozen=True, slots=True)
class HeartbeatRow:
    """When a part of the automation last did its round; `late` when that is more than three rounds ago."""

    name: str
    at: datetime
    age: timedelta
    late: bool
    every: timedelta


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How many messages wait, are being sent, have an unknown outcome or failed; the oldest that waits."""

    pending: int
    sending: int
    unknown: int
    failed: int
    oldest_pending: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True)
class CauseRow:
    """The cause of something that fires: of which incident, by which runbook, and since when."""

    cause: str
    runbook: str
    incident: int
    first_seen: datetime


def open_incidents(*, tier: str = "", route: str | None = None) -> list[IncidentRow]:
    """What is not resolved, newest first; not what another one explains."""
    found = Incident.objects.open().filter(explained_by=None)
    if tier:
        found = found.filter(tier=tier)
    if route is not None:
        found = found.filter(route=route)
    return rows_of(found)


def incidents(*, state: str = "", tier: str = "", limit: int = 100) -> list[IncidentRow]:
    """The newest first, open or not."""
    found = Incident.objects.all()
    if state:
        found = found.filter(state=state)
    if tier:
        found = found.filter(tier=tier)
    return rows_of(found, limit=limit)


def opened(*, tier: str, since: datetime, limit: int = 50) -> list[IncidentRow]:
    """The incidents of a tier that opened since then, the newest first."""
    return rows_of(Incident.objects.filter(tier=tier, opened_at__gte=since), limit=limit)


def explained(incident_id: int) -> list[IncidentRow]:
    """The open incidents that this one explains, the oldest first."""
    return rows_of(Incident.objects.open().filter(explained_by=incident_id).order_by("id"))


def incident(incident_id: int, *, newest: int | None = None) -> IncidentRow | None:
    """One incident with its timeline, alerts and messages; None when there is none.

    With `newest` only so many of the timeline's last lines.
    """
    row = _counted(Incident.objects.filter(pk=incident_id)).first()
    if row is None:
        return None
    lines = row.timeline.exclude(kind="message").order_by("-at", "-id")
    sent = [message_row(each) for each in row.messages.order_by("id")]
    return incident_row(
        row,
        timeline=story(lines[:newest], sent, newest),
        alerts=tuple(alert_row(a) for a in row.alerts.select_related("incident")),
        messages=tuple(sent),
    )


def upcoming(incident_id: int) -> list[escalation.Next]:
    """Who is called next for an incident, and when, as long as nobody acknowledges it."""
    row = Incident.objects.filter(pk=incident_id, state="OPEN").first()
    if row is None:
        return []
    return escalation.upcoming(receivers.declared(), paged_at=row.paged_at, due=row.escalates_at)


def unhandled_causes(
    *, tier: str, route: str = "", upstream: str = "", through: Collection[str] = ()
) -> list[CauseRow]:
    """What fires on the target and is not mitigated yet; whether anybody is at it is not known here.

    A target that is a route goes `through` its upstreams: what is about one of these alone counts, too, where
    it is a cause that explains what happens on other targets.
    """
    firing = Alert.objects.filter(state="FIRING", mitigated_at=None, incident__tier=tier)
    here = Q(incident__route=route, incident__of_upstream=upstream)
    behind = Q(about__in={*through, *([upstream] if upstream else [])} - {""}, cause__in=causes.ACROSS)
    found = firing.filter(here | behind).order_by("id")
    return [CauseRow(*row) for row in found.values_list("cause", "runbook", "incident", "first_seen")]


def alerts(*, state: str = "", limit: int = 200) -> list[AlertRow]:
    """The last seen first."""
    found = Alert.objects.select_related("incident")
    if state:
        found = found.filter(state=state)
    return [alert_row(row) for row in found[:limit]]


def fired(*, rules: Collection[str], since: datetime, until: datetime, tier: str = "") -> list[AlertRow]:
    """The alerts of these rules that fired at any time in [since, until), the first one first; of one tier
    or of all.
    """
    over = Q(resolved_at__lte=since)
    found = (
        Alert.objects.filter(rule__in=rules, first_seen__lt=until)
        .exclude(over)
        .exclude(incident=None)
        .select_related("incident")
    )
    if tier:
        found = found.filter(incident__tier=tier)
    return [alert_row(row) for row in found.order_by("first_seen", "id")]


def messages(*, state: str = "", limit: int = 100) -> list[MessageRow]:
    """The newest messages first, updates among them."""
    found = Outbox.objects.all()
    if state:
        found = found.filter(state=state)
    return [message_row(row) for row in found[:limit]]


def message(key: str) -> MessageRow | None:
    """The message with this key; None when there is none."""
    row = Outbox.objects.filter(key=key).first()
    return None if row is None else message_row(row)


def told(keys: Collection[str]) -> set[str]:
    """Which of these messages were written already, by their keys; one query for all of them."""
    return set(Outbox.objects.filter(key__in=keys).values_list("key", flat=True))


def outbox_state() -> OutboxState:
    """Whether messages go out, for the overview. Words to whoever pressed a button are none of them."""
    messages = Outbox.objects.exclude(op="whisper")
    counts = {row["state"]: row["n"] for row in messages.order_by().values("state").annotate(n=Count("id"))}
    waiting = messages.filter(state="PENDING").order_by("created_at").first()
    troubled = messages.exclude(state="SENT").exclude(error="").order_by("-id").first()
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
    return [silence_row(row) for row in Silence.objects.live(now)]


def silences_over(row: IncidentRow, *, now: datetime) -> list[SilenceRow]:
    """Those in force that cover an incident's target, the one that ends last first."""
    where = {"tier": row.tier, "route": row.route, "upstream": row.of_upstream, "family": row.family}
    return [silence_row(one) for one in Silence.objects.live(now).covering(**where)]


def silenced(*, tier: str, route: str = "", upstream: str = "", now: datetime) -> bool:
    """Whether a silence covers the target now."""
    return Silence.objects.live(now).covering(tier=tier, route=route, upstream=upstream).exists()


def last_ping() -> datetime | None:
    """When the address outside last took a ping of the dead man's switch."""
    return Heartbeat.objects.filter(name=PING).values_list("at", flat=True).first()


def heartbeats(*, now: datetime) -> list[HeartbeatRow]:
    """When each part of the automation last did its round. The ping that says so outside is none of them."""
    return [
        HeartbeatRow(h.name, h.at, now - h.at, now - h.at > h.every * LATE_AFTER, h.every)
        for h in Heartbeat.objects.exclude(name=PING)
    ]


def rows_of(found: IncidentQuerySet, *, limit: int | None = None) -> list[IncidentRow]:
    """These incidents without their timelines, in one query."""
    return [incident_row(row) for row in _counted(found)[:limit]]


def _counted(found: IncidentQuerySet) -> IncidentQuerySet:
    """With how many alerts fire in each, and how many others each explains."""
    firing = Alert.objects.filter(incident=OuterRef("pk"), state="FIRING").order_by()
    explains = Incident.objects.open().filter(explained_by=OuterRef("pk")).order_by()
    return found.annotate(
        firing=_number_of(firing, "incident"),
        explains=_number_of(explains, "explained_by"),
    )


def _number_of(rows: Any, by: str) -> Coalesce:
    counted = rows.values(by).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)
