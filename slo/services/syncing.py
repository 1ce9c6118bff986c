"""Makes the rows of objectives those that the tiers declare."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

import alerts.services
import audit.services
from audit.domain.actor import Actor
from proxy import selectors as proxy_selectors
from proxy.domain.tier import Tier
from slo.domain import objectives
from slo.domain.indicators import sli
from slo.domain.looks import plain
from slo.models import Budget, Objective
from slo.services.names import BY, RULE, TICKET_RULE, labels

COPIED = (
    "description", "route", "upstream", "kind", "target", "threshold_us", "bad", "good", "total", "gauge",
    "owner", "severity", "runbook",
)  # fmt: skip
"""What a row says in the same words as the domain."""


def sync(*, tier: Tier, by: Actor, now: datetime) -> int:
    """Make the rows those that `tier` declares, or the defaults. Returns how many changed.

    What is no longer declared is retired, with its alert. Idempotent.
    """
    wanted = {objective.name: objective for objective in objectives.of_tier(tier)}
    with transaction.atomic():
        held = {row.name: row for row in Objective.objects.filter(tier=tier.name)}
        changed = [name for name, one in wanted.items() if _declare(held.get(name), one, now)]
        gone = [row for name, row in held.items() if name not in wanted and row.retired_at is None]
        for row in gone:
            _retire(row, by=by, now=now)
        if changed or gone:
            audit.services.record(
                by=by,
                action="objectives.declared",
                target=tier.name,
                reason="the tier's declaration changed",
                now=now,
                detail={"changed": changed, "retired": [row.name for row in gone]},
            )
    return len(changed) + len(gone)


def _declare(row: Objective | None, one: objectives.Objective, now: datetime) -> bool:
    fields = {
        **{name: getattr(one, name) for name in COPIED},
        "sli": sli(one),
        "resource": one.resource or "",
        "at_most": plain(one.at_most),
        "at_least": plain(one.at_least),
        "window_days": one.period // timedelta(days=1),
        "calendar": one.calendar or "",
        "problem": _problem(one),
        "retired_at": None,
    }
    if row is None:
        Objective.objects.create(tier=one.tier, name=one.name, created_at=now, changed_at=now, **fields)
        return True
    if all(getattr(row, name) == value for name, value in fields.items()):
        return False
    Objective.objects.filter(pk=row.pk).update(changed_at=now, **fields)
    return True


def _problem(one: objectives.Objective) -> str:
    try:
        objectives.check(one)
    except objectives.BadObjective as error:
        return str(error)
    return ""


def _retire(row: Objective, *, by: Actor, now: datetime) -> None:
    Objective.objects.filter(pk=row.pk).update(retired_at=now, changed_at=now)
    # A tick that is under way read it as it was: its word must not stand, or nobody would end that alert.
    held = Budget.objects.filter(objective=row)
    held.update(version=F("version") + 1)
    if held.filter(firing=True).update(firing=False, told=""):
        why = "the objective is no longer declared"
        for rule in (RULE, TICKET_RULE):
            alerts.services.clear(rule=rule, labels=labels(row), why=why, by=by, now=now)


def sync_all(*, by: Actor = BY, now: datetime) -> int:
    """`sync` for every tier that is served."""
    served = [proxy_selectors.base(row.name) for row in proxy_selectors.tiers()]
    return sum(sync(tier=tier, by=by, now=now) for tier in served)
