"""Tells people that an objective burns, and that it is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.urls import reverse

import alerts.services
import proxy.selectors
from audit.domain.actor import Actor
from slo.domain import wording
from slo.domain.budget import originator
from slo.domain.faults import Fault
from slo.domain.looks import Look
from slo.domain.tells import Told
from slo.domain.windows import Severity
from slo.models import Budget, Objective
from slo.services.names import RULE, TICKET_RULE, labels

RULES: dict[Severity, str] = {"page": RULE, "ticket": TICKET_RULE}
"""Both are causes, too: a page explains the tickets of its target, and takes their incident over."""
TAKEN_OVER = "a page of the same objective speaks for it"
OVER = "every window that counts burns well below what it is told at"


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told of an objective: what was before, what is now, and what was left before it fired."""

    row: Objective
    look: Look
    before: Told
    now: Told
    left_before: float | None
    found: Sequence[Fault]


def tell(what: Telling, *, news: bool, by: Actor, now: datetime) -> None:
    """Signal what is told (each tick with `news` renews the numbers), then clear once what no longer is.

    In this order, so that an incident that goes on as a page is not resolved first.
    """
    if what.now and news:
        incident = _signal(what, what.now, by=by, now=now)
        Budget.objects.filter(objective=what.row).update(incident_id=incident)
    if what.before and what.before != what.now:
        why = TAKEN_OVER if what.now else OVER
        alerts.services.clear(rule=RULES[what.before], labels=labels(what.row), why=why, by=by, now=now)


def _signal(what: Telling, severity: Severity, *, by: Actor, now: datetime) -> int:
    seen, objective = what.look, what.look.objective
    judged = seen.leading(severity)
    counts = seen.events(judged)
    left = seen.budget.left if seen.budget else None
    spent = None if left is None or what.left_before is None else Decimal(str(what.left_before)) - left
    return alerts.services.signal(
        rule=RULES[severity],
        labels=labels(what.row),
        severity=severity,
        originator=originator(counts),
        summary=wording.summary(objective, judged, counts, what.found),
        numbers=wording.numbers(
            objective=objective,
            judged=judged,
            counts=counts,
            left=left,
            spent=spent,
            exhausted_in=seen.exhausted_in,
            found=what.found,
        ),
        action=wording.ACTION,
        runbook=objective.runbook,
        cause=RULES[severity],
        links=_links(what.row, now),
        through=_through(what.row),
        by=by,
        now=now,
    )


def _through(row: Objective) -> tuple[str, ...]:
    """The upstreams that what it promises depends on, where that is not the whole tier."""
    if row.upstream:
        return (row.upstream,)
    return proxy.selectors.through(row.tier, row.route) if row.route else ()


def _links(row: Objective, now: datetime) -> list[tuple[str, str]]:
    """The pages of the alert's first message: the objective, and the tier as it was then."""
    tier = reverse("tier", args=[row.tier])
    return [
        (f"Objective {row.name}", reverse("objective", args=[row.pk])),
        (f"{row.tier} at {now:%H:%M} UTC", f"{tier}?at={now:%Y-%m-%dT%H:%M:%SZ}"),
    ]
