"""What happened to a tier that may have moved its figures: the marks of its charts."""

from collections.abc import Iterator
from datetime import datetime

import alerts.selectors
import audit.selectors
from audit.selectors import EntryRow
from telemetry.charts import Mark, marks

MARKED = {
    "tier.published": "revision",
    "rollout.started": "rollout",
    "rollout.rolled_back": "rolled back",
    "rollout.promoted": "promoted",
    "rollout.undone": "promotion undone",
    "run.put": "runbook",
    "run.revert": "reverted",
    "overlay.put": "overlay",
}
OWNED = ("rollout/", "run/")
"""Overlays of these are marked as what they belong to."""


def changes(tier: str, route: str | None, *, since: datetime) -> tuple[Mark, ...]:
    """Revisions, rollouts, runs, overlays and incidents of the tier, or of one route of it, since then.

    A revision is of every route. Two queries.
    """
    entries = audit.selectors.entries(target=tier, actions=tuple(MARKED), since=since, limit=200)
    found = [(row.at, _name(row)) for row in entries if _is_about(row, tier, route)]
    return marks([*found, *_incidents(tier, route, since)], start=since)


def _is_about(row: EntryRow, tier: str, route: str | None) -> bool:
    if row.action == "overlay.put" and str(row.detail.get("owner", "")).startswith(OWNED):
        return False
    about = f"{tier}/route/{route}" if route and row.action != "tier.published" else tier
    return row.target == about or row.target.startswith(f"{about}/")


def _name(row: EntryRow) -> str:
    number = row.detail.get("revision") if row.action == "tier.published" else None
    return f"{MARKED[row.action]} {number}" if number else MARKED[row.action]


def _incidents(tier: str, route: str | None, since: datetime) -> Iterator[tuple[datetime, str]]:
    for row in alerts.selectors.opened(tier=tier, since=since):
        if route is None or row.route in ("", route):
            yield row.opened_at, f"incident {row.id}"
