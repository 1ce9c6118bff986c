"""Everything of one rollout as JSON values: what was declared, measured, decided, and by whom."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import audit.selectors
from canary import selectors
from canary.domain.hooks import without_queries
from canary.models import Observation, Rollout

# The form of the document: it rises when a field is renamed or means something else.
VERSION = 1
# A rollout's transitions are some dozens; this only bounds the query.
TRANSITIONS = 10_000


def export(rollout_id: int) -> dict[str, Any]:
    """Arms, evidence tick by tick with both boundaries, what earned each step, plan, and every transition.

    Weights are basis points, times aware UTC; `evidence` holds all that is kept, in the order of time, each
    tick with what the judge was given. Raises UnknownRollout.
    """
    detail = selectors.rollout(rollout_id)
    found = Rollout.objects.get(pk=rollout_id)
    return {
        "version": VERSION,
        "rollout": asdict(detail.row),
        "plan": without_queries(detail.plan.model_dump(mode="json")),
        "base": found.base,
        "plainly": detail.plainly,
        "promise": detail.promise,
        "metrics": [asdict(row) for row in detail.metrics],
        "ladder": [asdict(row) for row in detail.ladder],
        "proxies": [asdict(row) for row in detail.proxies],
        "times": asdict(detail.times),
        "incident": detail.incident,
        "dropped": dict(detail.dropped),
        "queries": list(detail.queries),
        "transitions": list(_transitions(found)),
        "evidence": list(_evidence(found)),
    }


def _transitions(found: Rollout) -> Iterator[dict[str, Any]]:
    """What the audit says of it, the oldest first: who did what, from which surface, and why."""
    entries = audit.selectors.entries(target=found.subject, limit=TRANSITIONS)
    for entry in reversed(entries):
        if entry.target == found.subject:
            yield {
                "at": entry.at,
                "actor": entry.actor,
                "source": entry.source,
                "action": entry.action,
                "reason": entry.reason,
                "detail": entry.detail,
            }


def _evidence(found: Rollout) -> Iterator[dict[str, Any]]:
    for one in Observation.objects.filter(rollout=found).order_by("at").iterator():
        yield {
            "at": one.at,
            "weight": one.weight,
            "verdict": one.verdict,
            "earns": one.earns,
            "lap": one.lap,
            "counted": one.tick,
            "found": one.figures,
        }
