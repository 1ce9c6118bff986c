"""Begins a run: its first row, with the runbook as it is now."""

from datetime import datetime

from django.db import IntegrityError, transaction

import audit.services
from audit.domain.actor import Actor, automation
from proxy.domain.tier import Tier
from runbooks.domain import policy as policies
from runbooks.domain.definition import as_text
from runbooks.domain.gate import Gate
from runbooks.domain.measures import Measure, as_data
from runbooks.models import Run, Step
from runbooks.services import gating, planning
from runbooks.services.watched import Watched

BY = automation("runbooks")


def propose(tier: Tier, watched: Watched, subject: str, measured: Measure, now: datetime) -> Run | None:
    """A new run, unless a gate would stop it for the reason that stopped the last one."""
    answer = _gate(tier, watched, subject, measured, now)
    last = watched.runs(subject).first()
    if answer.answer == "stop" and last is not None:
        cooling = last.state not in ("SUPPRESSED", "NOT_CONFIRMED")
        if cooling or (last.state == "SUPPRESSED" and last.why == answer.why):
            return None
    try:
        with transaction.atomic():
            return begin(watched, subject, measured, why=watched.judge.explain(measured), by=BY, now=now)
    except IntegrityError:
        # Another worker proposed it between our look and our insert.
        return None


def _gate(tier: Tier, watched: Watched, subject: str, measured: Measure, now: datetime) -> Gate:
    try:
        patches = planning.draft(tier, watched, subject, measured, now=now).patches
    except planning.NoPlan as error:
        return Gate("stop", str(error))
    return gating.decide(tier, watched, subject, patches=patches, approvals=0, now=now)


def begin(
    watched: Watched,
    subject: str,
    measured: Measure,
    *,
    why: str,
    by: Actor,
    now: datetime,
    by_hand: str = "",
) -> Run:
    """The run and its first step, in the caller's transaction. Raises IntegrityError where one is open."""
    run = Run.objects.create(
        runbook=watched.slug,
        tier=watched.tier,
        scope=watched.definition.scope,
        subject=subject,
        why=why,
        by_hand=by_hand,
        definition=as_text(watched.definition),
        policy=policies.as_data(watched.judge.policy),
        started_at=now,
        entered_at=now,
    )
    Step.objects.create(
        run=run,
        version=1,
        at=now,
        event="propose",
        state=run.state,
        actor=by.name,
        why=why,
        evidence=as_data(measured),
    )
    audit.services.record(
        by=by,
        action="run.propose",
        target=run.target,
        reason=why,
        now=now,
        detail={"run": run.pk, "version": 1, "state": run.state},
    )
    return run
