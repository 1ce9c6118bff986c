"""Rows that pages and the API are given of alerts, incidents, messages and silences, and how each is made."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alerts.domain.message import originator_words
from alerts.domain.states import OPEN_STATES
from alerts.models import Alert, Incident, Outbox, Silence, TimelineEntry

_ADDRESS = re.compile(r"\s*https?://\S+")


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of an incident's timeline.

    `kind`: signal, clear, state, action, person, escalation or message.
    """

    at: datetime
    kind: str
    actor: str
    text: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert; `state` is PENDING, FIRING or RESOLVED, `count` how often it was signalled.

    What never fired belongs to no incident.
    """

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
    incident_id: int | None
    upstream: str = ""
    about: str = ""
    links: tuple[tuple[str, str], ...] = ()


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
    to: str = ""
    receiver: str = ""

    @property
    def words(self) -> str:
        """What it says without its addresses: the page has links of its own."""
        return _ADDRESS.sub("", self.text).strip()


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """A silence over a target; without route and upstream it covers the whole tier."""

    id: int
    target: str
    tier: str
    route: str
    starts_at: datetime
    ends_at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident. `originator` is in words, such as "backend shop-v2". Parts are filled by `incident`.

    `explained_by` is the incident whose cause explains it, `explains` how many it explains itself; `pages` is
    how often it has called for people. `links` are (words, path or address).
    """

    id: int
    tier: str
    route: str
    target: str
    of_upstream: str
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
    explained_by: int | None = None
    explains: int = 0
    pages: int = 0
    paged_at: datetime | None = None
    links: tuple[tuple[str, str], ...] = ()
    timeline: tuple[EntryRow, ...] = field(default=())
    alerts: tuple[AlertRow, ...] = field(default=())
    messages: tuple[MessageRow, ...] = field(default=())

    @property
    def open(self) -> bool:
        return self.state in OPEN_STATES


_SAME = (
    "tier",
    "route",
    "target",
    "of_upstream",
    "family",
    "cause",
    "state",
    "severity",
    "upstream",
    "title",
    "numbers",
    "action",
    "runbook",
    "flaps",
    "opened_at",
    "acked_at",
    "acked_by",
    "resolved_at",
    "standing",
    "pages",
    "paged_at",
)
"""What a row has under the name that its record has it under."""


def incident_row(
    row: Incident,
    *,
    timeline: tuple[EntryRow, ...] = (),
    alerts: tuple[AlertRow, ...] = (),
    messages: tuple[MessageRow, ...] = (),
) -> IncidentRow:
    return IncidentRow(
        id=row.pk,
        originator=originator_words(row.originator, row.upstream),
        firing=getattr(row, "firing", 0),
        explained_by=row.explained_by_id,
        explains=getattr(row, "explains", 0),
        links=_links(row.links),
        timeline=timeline,
        alerts=alerts,
        messages=messages,
        **{name: getattr(row, name) for name in _SAME},
    )


_SAME_OF_ALERT = (
    "rule",
    "labels",
    "state",
    "severity",
    "cause",
    "summary",
    "numbers",
    "action",
    "runbook",
    "count",
    "first_seen",
    "last_seen",
    "resolved_at",
    "why_resolved",
    "incident_id",
    "upstream",
    "about",
)


def alert_row(row: Alert) -> AlertRow:
    where = row.incident
    return AlertRow(
        id=row.pk,
        tier=where.tier if where else row.labels.get("tier", ""),
        route=where.route if where else row.labels.get("route", ""),
        originator=originator_words(row.originator, row.upstream),
        links=_links(row.links),
        **{name: getattr(row, name) for name in _SAME_OF_ALERT},
    )


_SAME_OF_MESSAGE = (
    "key",
    "kind",
    "op",
    "state",
    "attempts",
    "error",
    "next_at",
    "sent_at",
    "created_at",
    "channel",
    "ts",
    "incident_id",
    "to",
    "receiver",
)


def message_row(row: Outbox) -> MessageRow:
    return MessageRow(
        id=row.pk,
        text=row.payload["text"],
        blocks=row.payload["blocks"],
        **{name: getattr(row, name) for name in _SAME_OF_MESSAGE},
    )


def _links(found: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((words, path) for words, path in found)


def silence_row(row: Silence) -> SilenceRow:
    return SilenceRow(row.pk, row.target, row.tier, row.route, row.starts_at, row.ends_at, row.by, row.reason)


def story(
    newest_first: Iterable[TimelineEntry], sent: Iterable[MessageRow], newest: int | None
) -> tuple[EntryRow, ...]:
    """Signals, actions, people and messages in order, the `newest` of them.

    A message stands where it was sent, or was to be.
    """
    told = [_told(row) for row in sent if row.op in ("post", "event")]
    lines = [EntryRow(e.at, e.kind, e.actor, e.text, e.detail) for e in newest_first]
    lines.reverse()
    ordered = sorted([*lines, *told], key=lambda line: line.at)
    return tuple(ordered[-newest:] if newest else ordered)


def _told(row: MessageRow) -> EntryRow:
    where = row.receiver or row.to or row.channel or "the channel"
    became = row.state.lower()
    detail = {"message": row.id, "state": became, "kind": row.kind}
    return EntryRow(row.sent_at or row.created_at, "message", f"to {where}, {became}", row.words, detail)
