"""What people do: approve, deny, cancel, set how far the machine may go. Roles are checked at the door."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

import audit.services
import proxy.selectors
from audit.domain.actor import Actor
from runbooks import selectors, texts
from runbooks.domain import policy as policies
from runbooks.domain.gate import MODES
from runbooks.domain.judging import judge_from
from runbooks.domain.policy import Policy
from runbooks.domain.states import ACTING, WrongState
from runbooks.models import Approval, Run, Setting
from runbooks.services import acting, gating, telling
from runbooks.services.moving import move


class UnknownRun(Exception):
    """There is no run with this number."""


class PlanChanged(Exception):
    """The plan is not the one that was looked at."""


class PlanNotNamed(Exception):
    """The run has asked for more than one plan, and the approval does not say which one it is for."""


class ApprovalOver(Exception):
    """The time to approve is over."""


class AnotherPerson(Exception):
    """This run asks for the word of somebody else."""


@transaction.atomic
def approve(*, run_id: int, plan_hash: str | None, by: Actor, reason: str, now: datetime) -> None:
    """Say yes to exactly this plan, once. The symptom is confirmed again before anything is done.

    Without `plan_hash` it is for the only plan that the run has ever asked for: no other can have been looked
    at. Where the runbook asks for two, it waits on for another person. Raises UnknownRun, WrongState,
    PlanChanged, PlanNotNamed, ApprovalOver, AnotherPerson.
    """
    run = locked(run_id)
    if run.state != "AWAITING_APPROVAL":
        raise WrongState(run.state, "approve")
    if plan_hash is None and run.steps.filter(event="ask").count() > 1:
        raise PlanNotNamed("name the plan that you approve: the run has asked for another one before")
    if plan_hash not in (None, run.plan_hash):
        raise PlanChanged("the plan has changed since: look at it again")
    policy = judge_from(run.definition, run.policy).policy
    if now - run.entered_at >= policy.approval_for:
        raise ApprovalOver("the time to approve is over")
    said = set(_unused(run, now).values_list("by", flat=True))
    _refuse_again(run, said, policy, by)
    Approval.objects.create(
        run=run,
        plan_hash=run.plan_hash,
        by=by.name,
        reason=reason,
        at=now,
        expires_at=now + policy.approval_for,
    )
    evidence, missing = {"plan_hash": run.plan_hash}, policy.approvals - len(said) - 1
    if missing > 0:
        # The time to approve goes on from when it was asked.
        why = f"{reason or 'approved'}; {missing} more to approve"
        move(run, "approve_first", why=why, by=by, now=now, evidence=evidence, entered_at=run.entered_at)
    else:
        move(run, "approve", why=reason or "approved", by=by, now=now, evidence=evidence)


def _unused(run: Run, now: datetime) -> QuerySet[Approval]:
    return run.approvals.filter(plan_hash=run.plan_hash, used_at=None, expires_at__gt=now)


def _refuse_again(run: Run, said: Collection[str], policy: Policy, by: Actor) -> None:
    """Four eyes are of two people, and of neither who started it."""
    if by.name in said:
        raise AnotherPerson("you have approved it already: somebody else has to")
    if policy.approvals > 1 and by.name == run.by_hand:
        raise AnotherPerson("you started it: others have to approve it")


@transaction.atomic
def deny(*, run_id: int, by: Actor, reason: str, now: datetime, plan_hash: str = "") -> None:
    """Say no. Raises UnknownRun, WrongState."""
    run = locked(run_id)
    move(run, "deny", why=reason or "denied", by=by, now=now, ended_at=now)
    telling.ended(run, now)


@transaction.atomic
def cancel(*, run_id: int, by: Actor, reason: str, now: datetime) -> None:
    """End the run and take back what it did, at once. Whatever a worker has in flight then fails to commit.

    A run that needs a person is closed: its overlays are gone already. Raises UnknownRun, WrongState.
    """
    run = locked(run_id)
    why = reason or "cancelled"
    if run.state == "NEEDS_HUMAN":
        acting.take_away(run, release=True, why=why, by=by, now=now)
        move(run, "close", why=why, by=by, now=now, ended_at=now)
    elif run.state in ACTING:
        generation = acting.take_away(run, release=False, why=why, by=by, now=now)
        ending: dict[str, Any] = {"ending": "CANCELLED", "ending_why": why, "generation": generation}
        move(run, "revert", why=why, by=by, now=now, **ending)
    else:
        move(run, "cancel", why=why, by=by, now=now, ended_at=now)
        telling.ended(run, now)


@transaction.atomic
def set_mode(*, runbook: str, tier: str, mode: str, by: Actor, reason: str, now: datetime) -> None:
    """How far the runbook may go by itself on the tier. Raises UnknownRunbook, ValueError."""
    texts.text(runbook)
    if mode not in MODES:
        raise ValueError(f"a mode is one of {', '.join(MODES)}")
    _set(runbook, tier, {"mode": mode}, by, reason, now)


@transaction.atomic
def set_policy(
    *, runbook: str, tier: str, policy: Mapping[str, Any], by: Actor, reason: str, now: datetime
) -> None:
    """What differs on the tier from the runbook's text and from what the tier declares. Runs keep theirs.

    Raises UnknownRunbook, UnknownTier, BadPolicy.
    """
    base, _ = selectors.declared_policy(runbook=runbook, tier=proxy.selectors.base(tier))
    policies.policy(policy, base)
    _set(runbook, tier, {"policy": dict(policy)}, by, reason, now)


@transaction.atomic
def set_kill_switch(*, on: bool, by: Actor, reason: str, now: datetime) -> None:
    """On: nothing acts, and what acted is taken back at the next tick."""
    switch = gating.lock_switch()
    switch.on, switch.by, switch.reason, switch.at = on, by.name, reason, now
    switch.save()
    audit.services.record(
        by=by, action=f"killswitch.{'on' if on else 'off'}", target="runbooks", reason=reason, now=now
    )


def _set(runbook: str, tier: str, fields: dict[str, Any], by: Actor, reason: str, now: datetime) -> None:
    Setting.objects.update_or_create(
        runbook=runbook, tier=tier, defaults={**fields, "by": by.name, "at": now}
    )
    audit.services.record(
        by=by, action="runbook.set", target=f"{tier}/runbook/{runbook}", reason=reason, now=now, detail=fields
    )


def locked(run_id: int) -> Run:
    """The run's row, locked until the caller's transaction ends. Raises UnknownRun."""
    run = Run.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        raise UnknownRun(f"there is no run {run_id}")
    return run
