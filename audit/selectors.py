"""Reads the record."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.models import Entry


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry as pages and the API show it."""

    id: int
    at: datetime
    actor: str
    source: str
    action: str
    target: str
    reason: str
    detail: dict[str, Any]


def entries(
    *,
    action: str = "",
    target: str = "",
    actor: str = "",
    actions: Collection[str] = (),
    since: datetime | None = None,
    limit: int = 200,
) -> list[EntryRow]:
    """The newest entries first; `action` and `target` match from their beginning, `actor` exactly.

    `actions` are whole names, any of which may be.
    """
    found = Entry.objects.all()
    if actions:
        found = found.filter(action__in=actions)
    if since:
        found = found.filter(at__gte=since)
    if action:
        found = found.filter(action__startswith=action)
    if target:
        found = found.filter(target__startswith=target)
    if actor:
        found = found.filter(actor=actor)
    return [
        EntryRow(e.pk, e.at, e.actor, e.source, e.action, e.target, e.reason, e.detail) for e in found[:limit]
    ]
