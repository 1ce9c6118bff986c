"""Tells, once each, that a tier's budget policy acts on an objective, and that it does no more."""

from datetime import datetime

from django.db import transaction

import alerts.services
from audit.domain.actor import Actor
from proxy import selectors as proxy_selectors
from slo.domain import policy
from slo.domain.budget import originator
from slo.models import Budget, Objective
from slo.services.names import BY, POLICY_RULE, labels

ACTIONS = {
    "tell": "Nothing is held yet: this is so that nobody is surprised.",
    "approve": "Rollouts that go on by themselves ask a person before each step up from now on.",
    "freeze": "No rollout begins or steps up there until there is budget again; a rollback is never held.",
}
LET_GO = (
    "the policy acts on it no more: it is retired with its tier or alone, a ticket, or cannot be measured"
)


def warn(*, now: datetime, by: Actor = BY) -> int:
    """Tell of each budget whose demand is another than the one that was told. Returns how many.

    Where nothing changed it asks the database a constant number of times and writes nothing.
    """
    policies = {row.name: proxy_selectors.base(row.name).budget_policy for row in proxy_selectors.tiers()}
    changed = 0
    for held in _budgets():
        row = held.objective
        found = policy.Demanded(why=LET_GO)
        if row.tier in policies and row.severity == "page" and row.retired_at is None and not row.problem:
            found = policy.demanded(policies[row.tier], [held.standing])
        if found.demand != held.demand:
            changed += _tell(held, found, by=by, now=now)
    return changed


def _budgets() -> list[Budget]:
    measured = Budget.objects.filter(left__isnull=False, coverage__isnull=False)
    return list(measured.select_related("objective").order_by("pk"))


def _tell(held: Budget, found: policy.Demanded, *, by: Actor, now: datetime) -> int:
    """0 where another worker was here first. A level that is left is cleared, the new one told."""
    row = held.objective
    with transaction.atomic():
        mine = Budget.objects.filter(pk=held.pk, demand=held.demand).update(demand=found.demand)
        if not mine:
            return 0
        if held.demand != "nothing":
            why = found.why or "there is more of the budget left again"
            alerts.services.clear(rule=POLICY_RULE, labels=_labels(row, held.demand), why=why, by=by, now=now)
        if found.demand != "nothing":
            _signal(held, found, by=by, now=now)
    return 1


def _signal(held: Budget, found: policy.Demanded, *, by: Actor, now: datetime) -> None:
    """By whose failures spent the budget, as far as that is known."""
    row = held.objective
    alerts.services.signal(
        rule=POLICY_RULE,
        labels=_labels(row, found.demand),
        severity="ticket",
        originator=originator(held.counts),
        summary=found.why,
        numbers={"objective": row.name, "owner": row.owner or "nobody"},
        action=ACTIONS[found.demand],
        runbook=row.runbook,
        cause=POLICY_RULE,
        by=by,
        now=now,
    )


def _labels(row: Objective, demand: str) -> dict[str, str]:
    return {**labels(row), "demand": demand}
