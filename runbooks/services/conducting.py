"""Takes a run as far as it goes now: one function a state. Each move is its own transaction.

INTENT is the move to MITIGATING with its leases; OUTCOME is `put`, committed together with the overlays. A
worker that dies between leaves MITIGATING without a generation, and the next tick puts.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

import alerts.services
import proxy.selectors
from audit.domain.actor import automation
from proxy.domain.errors import ProxyError, TargetTaken
from proxy.ports import ProxyAdmin
from runbooks.domain import policy as policies
from runbooks.domain import retry_storm
from runbooks.domain.plan import plan_from
from runbooks.domain.policy import Policy
from runbooks.domain.retry_storm import Measure
from runbooks.models import Approval, Measurement, Run, Switch
from runbooks.services import acting, detecting, gating, holding, telling
from runbooks.services.moving import Overtaken, lock, move
from runbooks.services.planning import make_plan

BY = automation("runbooks")
# Short, so that the next tick but one takes over from a dead worker while its intent still holds. A worker
# that outlives its claim changes nothing: each of its moves asks for its own claim.
CLAIM = timedelta(seconds=4)
INTENT_HOLDS = 3 * CLAIM
MOVES_A_TICK = 4
MEASURED = ("PROPOSED", "CONFIRMING", "AWAITING_APPROVAL", "MITIGATING", "VERIFYING", "HOLDING", "REVERTING")
ENDING_EVENTS = {"SUCCEEDED": "succeeded", "FAILED_REVERTED": "failed", "CANCELLED": "cancelled"}


@dataclass(frozen=True, slots=True)
class Look:
    """What a run's tick knows: the time, the newest measure, the run's own policy, how to ask the proxies."""

    now: datetime
    measure: Measure
    policy: Policy
    admin: ProxyAdmin


def advance(run_id: int, *, measure: Measure, admin: ProxyAdmin, now: datetime) -> None:
    """Claim the run and move it while it moves. Does nothing when another worker has it."""
    token = secrets.token_hex(16)
    free = Q(claim_token="") | Q(claimed_until__lte=now)
    claimed = Run.objects.open().filter(free, pk=run_id).update(claim_token=token, claimed_until=now + CLAIM)
    if not claimed:
        return
    try:
        run = Run.objects.get(pk=run_id)
        look = Look(now, measure, policies.policy(run.policy), admin)
        if run.state in MEASURED:
            Measurement.objects.create(run=run, at=now, values=retry_storm.as_data(measure))
        for _ in range(MOVES_A_TICK):
            if not _step(run, look):
                break
    except Overtaken:
        # A person or another worker was first; the next tick starts from what they did.
        return
    finally:
        Run.objects.filter(pk=run_id, claim_token=token).update(claim_token="", claimed_until=None)


def _step(run: Run, look: Look) -> bool:
    step = STEPS.get(run.state)
    return step is not None and step(run, look)


def _proposed(run: Run, look: Look) -> bool:
    with transaction.atomic():
        move(run, "confirm", why="watching whether it holds", by=BY, now=look.now)
    return True


def _confirming(run: Run, look: Look) -> bool:
    verdict = retry_storm.confirm(_measures(run), look.policy, since=run.entered_at, now=look.now)
    match verdict.outcome:
        case "wait":
            return False
        case "no":
            with transaction.atomic():
                move(run, "absent", why=verdict.why, by=BY, now=look.now, ended_at=look.now)
            return False
        case "yes":
            return _decide(run, look, verdict.why)


def _decide(run: Run, look: Look, symptom: str) -> bool:
    """The gate, the plan, the leases and the move in one transaction: all of it holds, or none."""
    with transaction.atomic():
        lock(run)
        tier = proxy.selectors.desired(run.tier, now=look.now)
        patches = detecting.patches_for(tier, run.route, look.policy)
        plan = make_plan(tier=tier, patches=patches, policy=look.policy, now=look.now)
        approval = _approval(run, plan.digest, look.now)
        answer = gating.decide(
            runbook=run.runbook,
            tier=tier,
            route=run.route,
            policy=look.policy,
            patches=patches,
            approval=approval,
            now=look.now,
        )
        evidence = retry_storm.as_data(look.measure)
        fields: dict[str, Any] = {"plan": plan.as_data(), "plan_hash": plan.digest, "before": evidence}
        if answer.answer == "stop":
            incident = _tell(run, look, f"Nothing: {answer.why}")
            return _suppress(run, look, answer.why, incident)
        if answer.answer == "ask":
            incident = _tell(run, look, detecting.asks(run, plan))
            move(
                run,
                "ask",
                why=answer.why,
                by=BY,
                now=look.now,
                incident_id=incident,
                evidence=evidence,
                **fields,
            )
            telling.ask(run, plan, look.now)
            return True
        expires_at = look.now + look.policy.expiry
        try:
            with transaction.atomic():
                fences = acting.lease(run, plan.targets, until=expires_at, by=BY, now=look.now)
        except TargetTaken as taken:
            incident = _tell(run, look, f"Nothing: {taken.owner} holds the target")
            return _suppress(run, look, f"{taken.owner} holds the target", incident)
        if approval is not None:
            approval.used_at = look.now
            approval.save(update_fields=["used_at"])
        incident = _tell(run, look, f"Run {run.pk} acts: {answer.why}")
        move(
            run,
            "mitigate",
            why=f"{answer.why}; {symptom}",
            by=BY,
            now=look.now,
            evidence=evidence,
            fences=fences,
            mitigated_at=look.now,
            incident_id=incident,
            **fields,
        )
    return True


def _approval(run: Run, digest: str, now: datetime) -> Approval | None:
    """A person's unused yes to exactly this plan."""
    found = run.approvals.filter(plan_hash=digest, used_at=None, expires_at__gt=now)
    return found.select_for_update().first()


def _tell(run: Run, look: Look, action: str) -> int:
    incident = detecting.tell(run.tier, run.route, look.measure, look.policy, action=action, now=look.now)
    alerts.services.acted(incident_id=incident, action=action, by=BY, now=look.now)
    return incident


def _suppress(run: Run, look: Look, why: str, incident: int | None = None) -> bool:
    move(
        run,
        "suppress",
        why=why,
        by=BY,
        now=look.now,
        ended_at=look.now,
        incident_id=incident or run.incident_id,
    )
    return False


def _awaiting(run: Run, look: Look) -> bool:
    with transaction.atomic():
        lock(run)
        if gating.lock_switch().on:
            return _suppress(run, look, "the kill switch is on")
        if look.now - run.entered_at >= look.policy.approval_for:
            move(run, "expire", why="nobody approved in time", by=BY, now=look.now, ended_at=look.now)
            telling.ended(run, look.now)
        elif _is_over(run, look):
            move(run, "absent", why="the storm is over", by=BY, now=look.now, ended_at=look.now)
    return False


def _is_over(run: Run, look: Look) -> bool:
    """Calm for the whole of the quiet time: nobody is asked about what is gone."""
    since = look.now - look.policy.quiet_for
    said = [retry_storm.detect(m, look.policy) for m in _measures(run) if m.at >= since]
    return run.entered_at <= since and bool(said) and set(said) == {"calm"}


def _mitigating(run: Run, look: Look) -> bool:
    if _killed():
        return _revert(run, look, "FAILED_REVERTED", "the kill switch is on")
    if run.generation is None:
        return _put(run, look)
    progress = acting.progress(run)
    if progress.complete:
        return _applied(run, look)
    if progress.nacks:
        who, reason = next(iter(progress.nacks.items()))
        return _revert(run, look, "FAILED_REVERTED", f"{who} refused it: {reason}")
    if look.now - run.entered_at >= look.policy.ack_within:
        return _revert(
            run, look, "FAILED_REVERTED", f"not acknowledged in time by {_missing(progress.acked)}"
        )
    return False


def _applied(run: Run, look: Look) -> bool:
    """Acknowledged by all; what a proxy shows to run otherwise overrules its acknowledgement."""
    read = acting.read_back(run, look.admin)
    for name, reading in read.items():
        if reading.contradicts:
            return _revert(run, look, "FAILED_REVERTED", f"{name} acknowledged it, but {reading.says}")
    evidence = {"read_back": {name: reading.says for name, reading in read.items()}}
    why = "every proxy acknowledged it"
    with transaction.atomic():
        move(run, "applied", why=why, by=BY, now=look.now, evidence=evidence, applied_at=look.now)
    return True


def _put(run: Run, look: Look) -> bool:
    """Lay the overlays and commit that with the outcome, unless the intent has grown old."""
    if look.now - run.entered_at > INTENT_HOLDS:
        return _revert(run, look, "FAILED_REVERTED", "it was decided too long ago to act on")
    expires_at = look.now + look.policy.expiry
    try:
        with transaction.atomic():
            lock(run)
            generation = acting.put(run, expires_at=expires_at, by=BY, now=look.now)
            move(
                run,
                "put",
                why=f"laid over {run.tier} as generation {generation}",
                by=BY,
                now=look.now,
                generation=generation,
                overlay_expires_at=expires_at,
            )
            telling.did(run, _what(run, expires_at), look.now)
            _acted(run, _what(run, expires_at), look.now)
    except ProxyError as error:
        # When the fence is stale since a person cancelled, this move finds the version changed, too.
        return _revert(run, look, "FAILED_REVERTED", f"could not be laid: {error}")
    return True


def _what(run: Run, until: datetime) -> str:
    did = plan_from(run.plan or {}).summary
    return f"Run {run.pk} acted: {did}; it ends by itself at {until:%H:%M:%S} UTC"


def _verifying(run: Run, look: Look) -> bool:
    lost = _lost(run, look.now)
    if lost:
        return _revert(run, look, "FAILED_REVERTED", lost)
    verdict = retry_storm.verify(
        _measures(run),
        holding.before(run),
        look.policy,
        applied_at=run.applied_at or run.entered_at,
        extended=run.extended,
        now=look.now,
    )
    evidence = retry_storm.as_data(look.measure)
    if verdict.outcome == "no":
        return _revert(run, look, "FAILED_REVERTED", verdict.why)
    if verdict.outcome == "yes":
        with transaction.atomic():
            move(run, "worked", why=verdict.why, by=BY, now=look.now, evidence=evidence)
            holding.mitigated(run, look.measure, look.policy, why=verdict.why, now=look.now)
        return True
    if verdict.extend:
        with transaction.atomic():
            move(run, "extend", why=verdict.why, by=BY, now=look.now, evidence=evidence, extended=True)
    return False


def _holding(run: Run, look: Look) -> bool:
    until = run.overlay_expires_at or look.now
    if look.now < until:
        lost = _lost(run, look.now)
        if lost:
            return _revert(run, look, "FAILED_REVERTED", lost)
    verdict = retry_storm.hold(
        _measures(run), holding.before(run), look.policy, since=run.entered_at, until=until, now=look.now
    )
    if verdict.outcome == "wait":
        holding.stands(run, look.measure, look.policy, now=look.now)
        return False
    return _revert(run, look, "SUCCEEDED" if verdict.outcome == "yes" else "FAILED_REVERTED", verdict.why)


def _revert(run: Run, look: Look, ending: str, why: str) -> bool:
    """Move to REVERTING and take the overlays away, together: no worker can lay them again."""
    now = look.now
    with transaction.atomic():
        lock(run)
        generation = acting.take_away(run, release=False, why=why, by=BY, now=now)
        move(run, "revert", why=why, by=BY, now=now, ending=ending, ending_why=why, generation=generation)
    return True


def _reverting(run: Run, look: Look) -> bool:
    progress = acting.progress(run)
    if progress.complete:
        with transaction.atomic():
            lock(run)
            acting.take_away(run, release=True, why="reverted", by=BY, now=look.now)
            event = ENDING_EVENTS[run.ending]
            move(run, event, why=run.ending_why, by=BY, now=look.now, ended_at=look.now)
            telling.ended(run, look.now)
            _acted(run, telling.ended_words(run), look.now)
        return False
    if look.now - run.entered_at >= look.policy.revert_within:
        with transaction.atomic():
            why = f"the revert is not acknowledged by {_missing(progress.acked)}"
            move(run, "stuck", why=why, by=BY, now=look.now)
            telling.need_a_person(run, look.now)
    return False


def _needs_human(run: Run, look: Look) -> bool:
    if not acting.progress(run).complete:
        return False
    with transaction.atomic():
        move(run, "revert", why="every proxy acknowledges again", by=BY, now=look.now)
    return True


def _acted(run: Run, action: str, now: datetime) -> None:
    if run.incident_id is not None:
        alerts.services.acted(incident_id=run.incident_id, action=action, by=BY, now=now)


def _lost(run: Run, now: datetime) -> str:
    """Why the run may no longer count on its overlays, or nothing."""
    if _killed():
        return "the kill switch is on"
    return "" if acting.still_laid(run, now=now) else "its overlay is gone"


def _killed() -> bool:
    return Switch.objects.filter(name=gating.KILL, on=True).exists()


def _missing(acked: dict[str, bool]) -> str:
    return ", ".join(sorted(name for name, yes in acked.items() if not yes)) or "anybody"


def _measures(run: Run) -> Sequence[Measure]:
    return [retry_storm.measure_from(row.values) for row in run.measurements.all()]


STEPS: dict[str, Callable[[Run, Look], bool]] = {
    "PROPOSED": _proposed,
    "CONFIRMING": _confirming,
    "AWAITING_APPROVAL": _awaiting,
    "MITIGATING": _mitigating,
    "VERIFYING": _verifying,
    "HOLDING": _holding,
    "REVERTING": _reverting,
    "NEEDS_HUMAN": _needs_human,
}
