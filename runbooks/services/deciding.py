"""From a proposal to the decision: is the symptom confirmed, may the run act, is a person asked first."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

import alerts.services
import proxy.selectors
from proxy.domain.errors import TargetTaken
from runbooks.domain import policy as policies
from runbooks.domain.measures import as_data
from runbooks.domain.plan import Plan
from runbooks.models import Approval, Run
from runbooks.services import acting, checked, detecting, gating, planning, telling
from runbooks.services.looking import BY, Look, measures
from runbooks.services.moving import lock, move


def proposed(run: Run, look: Look) -> bool:
    """Begin to watch whether it holds."""
    with transaction.atomic():
        move(run, "confirm", why="watching whether it holds", by=BY, now=look.now)
    return True


def confirming(run: Run, look: Look) -> bool:
    """Watch, and decide as soon as it is confirmed. A person's word needs no confirmation."""
    if run.by_hand:
        return _decide(run, look, f"{run.by_hand} started it by hand")
    seen = measures(run, since=run.entered_at)
    verdict = look.judge.confirm(seen, since=run.entered_at, now=look.now)
    match verdict.outcome:
        case "wait":
            return False
        case "no":
            with transaction.atomic():
                move(run, "absent", why=verdict.why, by=BY, now=look.now, ended_at=look.now)
            return False
        case "yes":
            return _decide(run, look, verdict.why)


@dataclass(frozen=True, slots=True)
class _Case:
    """What a decision is about: the plan, the yes of people to it, the symptom in words, what was checked."""

    plan: Plan
    approvals: list[Approval]
    symptom: str
    evidence: dict[str, Any]

    def fields(self, look: Look) -> dict[str, Any]:
        """What the run keeps of it."""
        return {
            "plan": self.plan.as_data(),
            "plan_hash": self.plan.digest,
            "before": as_data(look.measure),
            "policy": policies.as_data(look.policy),
        }


def _decide(run: Run, look: Look, symptom: str) -> bool:
    """The gate, the plan, the leases and the move in one transaction: all of it holds, or none."""
    found = checked.findings(run, look)
    look = look.with_remedy(checked.chosen(look.judge, look.measure, found))
    with transaction.atomic():
        lock(run)
        tier = proxy.selectors.desired(run.tier, now=look.now)
        try:
            drafted = planning.draft(tier, look.watched, run.subject, look.measure, now=look.now)
            plan = planning.make_plan(drafted, tier=tier, watched=look.watched, now=look.now)
        except planning.NoPlan as error:
            return _stop(run, look, str(error))
        approvals = _approvals(run, plan.digest, look.now)
        case = _Case(plan, approvals, symptom, {**as_data(look.measure), "checks": checked.as_data(found)})
        answer = gating.decide(
            tier,
            look.watched,
            run.subject,
            patches=plan.patches,
            approvals=len(approvals),
            by_hand=run.by_hand,
            now=look.now,
        )
        match answer.answer:
            case "stop":
                return _stop(run, look, answer.why)
            case "ask":
                return _ask(run, look, case, answer.why)
            case "act":
                return _mitigate(run, look, case, answer.why)


def _ask(run: Run, look: Look, case: _Case, why: str) -> bool:
    incident = _tell(run, look, detecting.asks(run, case.plan))
    fields = {"incident_id": incident, **case.fields(look)}
    move(run, "ask", why=why, by=BY, now=look.now, evidence=case.evidence, **fields)
    telling.ask(run, case.plan, look.now)
    return True


def _mitigate(run: Run, look: Look, case: _Case, why: str) -> bool:
    """The intent, with its leases: what is then done is done by `mitigating`."""
    try:
        with transaction.atomic():
            until = look.now + timedelta(seconds=case.plan.expires_after_seconds)
            fences = acting.lease(run, case.plan.targets, until=until, by=BY, now=look.now)
    except TargetTaken as taken:
        return _stop(run, look, f"{taken.owner} holds the target")
    for approval in case.approvals:
        approval.used_at = look.now
        approval.save(update_fields=["used_at"])
    incident = _tell(run, look, f"Run {run.pk} acts: {why}")
    move(
        run,
        "mitigate",
        why=f"{why}; {case.symptom}",
        by=BY,
        now=look.now,
        evidence=case.evidence,
        fences=fences,
        mitigated_at=look.now,
        incident_id=incident,
        **case.fields(look),
    )
    return True


def _stop(run: Run, look: Look, why: str) -> bool:
    incident = _tell(run, look, f"Nothing: {why}")
    return _suppress(run, look, why, incident)


def _suppress(run: Run, look: Look, why: str, incident: int | None) -> bool:
    move(run, "suppress", why=why, by=BY, now=look.now, ended_at=look.now, incident_id=incident)
    return False


def _approvals(run: Run, digest: str, now: datetime) -> list[Approval]:
    """The unused yes of each person to exactly this plan."""
    found = run.approvals.filter(plan_hash=digest, used_at=None, expires_at__gt=now).select_for_update()
    return list({approval.by: approval for approval in found}.values())


def _tell(run: Run, look: Look, action: str) -> int | None:
    """Fire the alert, and say there what is done. What a person started where nothing is seen fires none."""
    if run.by_hand and look.judge.detect(look.measure) != "present":
        return run.incident_id
    incident = detecting.tell(look.watched, run.subject, look.measure, action=action, now=look.now)
    alerts.services.acted(incident_id=incident, action=action, by=BY, now=look.now)
    return incident


def awaiting(run: Run, look: Look) -> bool:
    """Wait for a person, but not for ever, and not about what is gone."""
    expired = look.now - run.entered_at >= look.policy.approval_for
    if not (look.round.killed or expired or _is_over(run, look)):
        return False
    with transaction.atomic():
        lock(run)
        if look.round.killed:
            return _suppress(run, look, "the kill switch is on", run.incident_id)
        if expired:
            move(run, "expire", why="nobody approved in time", by=BY, now=look.now, ended_at=look.now)
            telling.ended(run, look.now)
        else:
            move(run, "absent", why="it is over", by=BY, now=look.now, ended_at=look.now)
    return False


def _is_over(run: Run, look: Look) -> bool:
    """Calm for the whole of the quiet time: nobody is asked about what is gone."""
    since = look.now - look.policy.quiet_for
    if run.by_hand or run.entered_at > since or look.judge.detect(look.measure) != "calm":
        return False
    return {look.judge.detect(measure) for measure in measures(run, since=since)} == {"calm"}
