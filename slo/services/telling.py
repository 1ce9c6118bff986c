"""Tells people that an objective burns, and that it is over."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import alerts.services
from audit.domain.actor import Actor
from slo.domain import wording
from slo.domain.budget import originator
from slo.domain.burn import Counts
from slo.domain.faults import Fault
from slo.domain.looks import Look
from slo.models import Budget, Objective
from slo.services.names import RULE, labels


def tell(
    row: Objective, before: Budget, seen: Look, found: Sequence[Fault], *, by: Actor, now: datetime
) -> None:
    """Signal while it burns (each tick renews the numbers), clear once when it is over."""
    if seen.decision == "clear" and before.firing:
        why = "every window that counts burns well below its page"
        alerts.services.clear(rule=RULE, labels=labels(row), why=why, by=by, now=now)
    if seen.decision == "fire":
        incident = _signal(row, before, seen, found, by=by, now=now)
        Budget.objects.filter(pk=before.pk).update(incident_id=incident)


def _signal(
    row: Objective, before: Budget, seen: Look, found: Sequence[Fault], *, by: Actor, now: datetime
) -> int:
    judged = wording.leading(seen.pages)
    counts = seen.windows[judged.tier.long] or Counts(Decimal(0))
    left = seen.budget.left if seen.budget else None
    spent_since = None
    if left is not None and before.firing and before.left_when_fired is not None:
        spent_since = Decimal(str(before.left_when_fired)) - left
    return alerts.services.signal(
        rule=RULE,
        labels=labels(row),
        severity=seen.objective.severity,
        originator=originator(counts),
        summary=wording.summary(seen.objective, judged, counts, found),
        numbers=wording.numbers(
            judged=judged,
            counts=counts,
            left=left,
            spent_since=spent_since,
            exhausted_in=seen.exhausted_in,
            found=found,
        ),
        action=wording.ACTION,
        runbook=seen.objective.runbook,
        cause=RULE,
        by=by,
        now=now,
    )
