"""A person starts a runbook on a target: the plan is shown first, which writes and sends nothing."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

import proxy.selectors
from audit.domain.actor import Actor
from proxy.domain.tier import Tier
from runbooks import texts
from runbooks.domain.measures import Measure
from runbooks.domain.plan import Plan
from runbooks.domain.targets import subjects
from runbooks.models import Approval
from runbooks.services import checked, gating, planning, proposing
from runbooks.services.measuring import Answers, measure
from runbooks.services.people import PlanChanged
from runbooks.services.watched import Watched, now_on
from telemetry.ports import Metrics


class CannotStart(Exception):
    """The runbook cannot be started on this target, for the reason told in a sentence."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What starting would do: the plan, what is measured now, what the symptom's judge says of it, and what
    stands in the way, or nothing.
    """

    plan: Plan
    numbers: dict[str, str]
    says: str
    stops: str


def dry_run(*, runbook: str, tier: str, subject: str, metrics: Metrics, now: datetime) -> DryRun:
    """Reads only. Raises UnknownRunbook, UnknownTier, CannotStart."""
    found, watched, measured = _case(runbook, tier, subject, metrics, now)
    plan = _plan(found, watched, subject, measured, now)
    stops = gating.stops(found, watched, subject, patches=plan.patches, by="a person", now=now)
    return DryRun(plan, watched.judge.numbers(measured), watched.judge.explain(measured), stops)


def start(
    *,
    runbook: str,
    tier: str,
    subject: str,
    plan_hash: str,
    metrics: Metrics,
    by: Actor,
    reason: str,
    now: datetime,
) -> int:
    """Begin a run with exactly the plan that was looked at; returns its number.

    The person's word stands for the symptom, and is a yes to the plan unless the runbook asks for two. All
    guards but mode, parent, silence and cooldown hold. Raises UnknownRunbook, UnknownTier, CannotStart,
    PlanChanged.
    """
    found, watched, measured = _case(runbook, tier, subject, metrics, now)
    plan = _plan(found, watched, subject, measured, now)
    if plan.digest != plan_hash:
        raise PlanChanged("the plan has changed since: look at it again")
    try:
        with transaction.atomic():
            why = f"{by.name} started it by hand: {reason}"
            run = proposing.begin(watched, subject, measured, why=why, by=by, now=now, by_hand=by.name)
            if watched.judge.policy.approvals == 1:
                _approve(run.pk, plan, watched, by, reason, now)
    except IntegrityError as error:
        raise CannotStart(f"a run of {runbook} is open on it already") from error
    return run.pk


def _approve(run_id: int, plan: Plan, watched: Watched, by: Actor, reason: str, now: datetime) -> None:
    Approval.objects.create(
        run_id=run_id,
        plan_hash=plan.digest,
        by=by.name,
        reason=reason,
        at=now,
        expires_at=now + watched.judge.policy.approval_for,
    )


def _case(
    runbook: str, tier: str, subject: str, metrics: Metrics, now: datetime
) -> tuple[Tier, Watched, Measure]:
    definition = texts.text(runbook).definition
    if definition is None:
        raise CannotStart(f"{runbook} is a text for people: it has no machine's part")
    found = proxy.selectors.desired(tier, now=now)
    if subject not in subjects(definition.scope, found):
        raise CannotStart(f"tier {tier} has no {definition.scope} {subject}")
    watched = now_on(runbook, definition, found)
    answers = Answers(metrics, tier, now)
    measures = measure(answers, tier=found, definition=definition, policy=watched.judge.policy)
    measured = measures[subject]
    # What a check chooses is known when the run decides: a plan that is another by then is asked about.
    chosen = checked.chosen(watched.judge, measured, ())
    return found, watched.with_remedy(chosen), measured


def _plan(tier: Tier, watched: Watched, subject: str, measured: Measure, now: datetime) -> Plan:
    try:
        drafted = planning.draft(tier, watched, subject, measured, now=now)
        return planning.make_plan(drafted, tier=tier, watched=watched, now=now)
    except planning.NoPlan as error:
        raise CannotStart(str(error)) from error
