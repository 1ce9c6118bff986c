"""The tick: looks at every rollout that is due and takes each one step further, or leaves it as it is.

Nothing is remembered between ticks but rows. A stage is one transaction and is safe to repeat: a worker that
dies before its commit has done nothing, one that dies after it has done all of it.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

import alerts.services
import proxy.services
from audit.domain.actor import automation
from canary.domain import family, states, trouble
from canary.models import Observation, Rollout
from canary.services import (
    baking,
    failing,
    hooking,
    judging,
    moving,
    observing,
    pausing,
    promoting,
    pushing,
    returning,
    staying,
    telling,
    unjudged,
)
from canary.services.judging import Look
from canary.services.moving import Overtaken
from canary.services.scraping import Scraped
from proxy.domain.errors import StaleFence
from proxy.ports import ProxyAdmin
from telemetry.domain.errors import MetricsError
from telemetry.ports import Metrics

logger = logging.getLogger(__name__)
JUDGE = automation("judge")
# A claim keeps a second worker away for a moment. It is shorter than a beat, so that none is missed.
CLAIM = timedelta(milliseconds=700)
# How far back evidence is kept tick by tick; what a step was decided by stays with the step.
OBSERVED = timedelta(hours=6)
NO_DATA_AFTER = timedelta(seconds=10)


def tick(*, metrics: Metrics, admin: ProxyAdmin, now: datetime) -> int:
    """Take every due rollout further; returns how many were looked at."""
    claimed = _claim(now)
    scraped = Scraped(metrics, claimed, now=now)
    for rollout in claimed:
        number = rollout.pk
        try:
            _advance(rollout, metrics=scraped, admin=admin, now=now)
        except Overtaken:
            logger.info("rollout %s was changed by somebody else; looking again at the next tick", number)
        except Exception as error:  # the tick's boundary: one bad rollout stops no other
            logger.exception("rollout %s could not be taken further", number)
            Rollout.objects.filter(pk=number).update(problem=f"{type(error).__name__}: {error}")
    alerts.services.beat(name="canary", now=now, every=timedelta(seconds=1))
    return len(claimed)


@transaction.atomic
def _claim(now: datetime) -> list[Rollout]:
    """All that are due, read and claimed at once; one that somebody acts on now is left to the next tick."""
    due = Rollout.objects.due(now).order_by("pk").select_for_update(skip_locked=True)
    claimed = list(due)
    numbers = [rollout.pk for rollout in claimed]
    Rollout.objects.filter(pk__in=numbers).update(next_wakeup_at=now + CLAIM)
    return claimed


def _advance(rollout: Rollout, *, metrics: Scraped, admin: ProxyAdmin, now: datetime) -> None:
    followed = pushing.follow(rollout, now=now)
    if not _renew(rollout, now):
        return
    if rollout.state in states.JUDGED:
        _hold(rollout, followed, metrics=metrics, admin=admin, now=now)
    elif rollout.state == "rolling_back":
        _finish_rollback(rollout, followed, admin=admin, now=now)
    elif rollout.state == "promoting":
        promoting.go_on(rollout, followed, metrics=metrics, admin=admin, now=now)


def _renew(rollout: Rollout, now: datetime) -> bool:
    """Keep the overlay alive. False when it was lost, which has been dealt with then."""
    expires_at = rollout.overlay_expires_at
    if rollout.fence is None or expires_at is None or expires_at - now > moving.RENEW_BELOW:
        return True
    until = now + moving.LEASE
    try:
        with transaction.atomic():
            moving.lock(rollout)
            proxy.services.renew_overlay(
                tier=rollout.tier,
                target=rollout.target,
                owner=rollout.owner,
                fence=rollout.fence,
                expires_at=until,
                now=now,
            )
            moving.commit(rollout, now=now, overlay_expires_at=until)
    except StaleFence:
        _lost(rollout, now)
        return False
    return True


def _lost(rollout: Rollout, now: datetime) -> None:
    """No worker renewed the overlay in time, so the tier went back to its base by itself."""
    with transaction.atomic():
        if rollout.state == "rolling_back":
            laid = moving.lay_nothing(rollout, reason=rollout.reason, by=JUDGE, now=now)
            moving.commit(rollout, now=now, **laid)
            return
        why = "the overlay ran out before a worker renewed it: the tier is back at its base configuration"
        moving.leave_step(rollout, verdict="lost", reason=why, now=now)
        plan = moving.plan_of(rollout)
        number = plan.reached(rollout.push["before"]) if rollout.step == plan.last else rollout.step
        moving.commit(
            rollout,
            event="lose" if rollout.state != "needs_human" else None,
            by=JUDGE,
            reason=why,
            now=now,
            fence=None,
            overlay_expires_at=None,
            weight=0,
            push={},
            evidence=moving.stepped(rollout.evidence),
            step=number,
            problem=why,
        )
        telling.needs_human(rollout, why, now=now)


def _hold(
    rollout: Rollout, followed: pushing.Followed, *, metrics: Scraped, admin: ProxyAdmin, now: datetime
) -> None:
    if followed.refused:
        staying.back(rollout, followed, now)
        return
    plan = moving.plan_of(rollout)
    rollout.push = followed.push
    if followed.push and plan.unjudged(rollout.step):
        followed = pushing.read_back(rollout, followed, admin=admin, now=now)
        earned = unjudged.hold(rollout, followed, metrics=metrics.source, now=now)
        if earned:
            with transaction.atomic():
                _earn(rollout, earned, {"push": followed.push, "problem": ""}, now)
        return
    try:
        look = judging.look(rollout, plan, metrics=metrics, now=now)
    except MetricsError as error:
        followed = pushing.read_back(rollout, followed, admin=admin, now=now)
        _note_silence(rollout, followed, f"Prometheus gave no answer: {error}", now)
        return
    if not failing.failed(rollout, look):
        followed = pushing.read_back(rollout, followed, admin=admin, now=now)
    with transaction.atomic():
        Observation.objects.bulk_create(look.observations, ignore_conflicts=True)
        _forget(rollout, look, now)
        followed.write_step(rollout)
        hooking.announce(rollout, obeyed=followed.verified, now=now)
        _decide(rollout, look, followed, now)


def _forget(rollout: Rollout, look: Look, now: datetime) -> None:
    """The oldest ticks, once where evidence is kept beside one."""
    if any(one.before is not None for one in look.observations):
        rollout.observations.filter(at__lt=(now - OBSERVED).timestamp()).delete()


def _decide(rollout: Rollout, look: Look, followed: pushing.Followed, now: datetime) -> None:
    seen = _seen(rollout, look, followed, now)
    kind, reason = look.judgement.kind, look.judgement.reason
    if rollout.mode == "observe" and rollout.push and (kind == "fail" or rollout.state != "baking"):
        observing.note(rollout, look, seen, now=now)
    elif look.judgement.action == "pause" and look.decided_by is not None:
        pausing.pause(rollout, look, seen, now=now)
    elif failing.failed(rollout, look):
        failing.take_back(rollout, look, now=now, no_data_since=seen["no_data_since"])
    elif kind == "pass" and look.decided_by is not None and rollout.state == "running":
        _earn(rollout, reason, seen, now)
    elif rollout.state == "running" and not rollout.push:
        _open(rollout, seen, now)
    elif rollout.state == "baking":
        baking.look_after(rollout, seen, now=now)
    else:
        staying.stay(rollout, reason, seen, now)


def _open(rollout: Rollout, seen: dict[str, Any], now: datetime) -> None:
    """The first step, which hooks held since the start: what holds every other step up holds it too."""
    hold = hooking.held(rollout, now=now)
    frozen = moving.frozen(rollout, now)
    if hold is not None or frozen:
        staying.wait(rollout, hold or hooking.Hold(frozen.why if frozen else ""), "not begun", seen, now)
        return
    seen.pop("push")
    reason = "every hook said go before the first step"
    moving.up(rollout, event="step_up", by=JUDGE, reason=reason, now=now, verdict="pass", **seen)


def _seen(rollout: Rollout, look: Look, followed: pushing.Followed, now: datetime) -> dict[str, Any]:
    """The fields that every look moves. No data is a condition of its own, neither zero nor an error."""
    since = _silent_since(rollout, look.evidence.get("measured_at"), now)
    return {
        "push": followed.push,
        "evidence": look.evidence,
        "folded_until": look.folded_until,
        "no_data_since": since,
        "problem": "no request of this route was measured" if since else followed.problem,
    }


def _silent_since(rollout: Rollout, measured_at: str | None, now: datetime) -> datetime | None:
    began = datetime.fromisoformat(rollout.push["at"]) if rollout.push.get("at") else now
    latest = datetime.fromisoformat(measured_at) if measured_at else began
    scraped_every = timedelta(seconds=(rollout.evidence.get("clock") or [1.0])[0])
    return latest if now - latest > max(NO_DATA_AFTER, 3 * scraped_every) else None


def _note_silence(rollout: Rollout, followed: pushing.Followed, why: str, now: datetime) -> None:
    """No promotion and no rollback without measurements; it goes on when they are back."""
    since = _silent_since(rollout, rollout.evidence.get("measured_at"), now)
    with transaction.atomic():
        followed.write_step(rollout)
        seen = {"push": followed.push, "no_data_since": rollout.no_data_since or since, "problem": why}
        staying.stay(rollout, why, seen, now)
        if rollout.state == "baking":
            baking.ask_late(rollout, why, now=now)


def _earn(rollout: Rollout, reason: str, seen: dict[str, Any], now: datetime) -> None:
    """A PASS: the next step at once, or the question whether to take it.

    What the tier's error budgets allow has the last word, and an incident of both arms is waited for.
    """
    weighed = family.load(seen.get("evidence", rollout.evidence).get("family", {}))
    incident = trouble.shared(weighed, moving.plan_of(rollout).hold_above)
    if incident:
        staying.stay(rollout, reason, {**seen, "problem": f"passed, but {incident}"}, now)
        return
    frozen = moving.frozen(rollout, now)
    if frozen and frozen.until:
        # A window ends by itself: nobody has to be asked meanwhile.
        moving.commit(rollout, now=now, **{**seen, "problem": f"passed, but {frozen.why}"})
        return
    if frozen:
        staying.stay(rollout, reason, {**seen, "problem": f"passed, but {frozen.why}"}, now)
        return
    hold = hooking.held(rollout, now=now)
    if hold is not None:
        staying.wait(rollout, hold, reason, seen, now)
        return
    asked = moving.asked_first(rollout)
    if not moving.asks(rollout) and not asked:
        seen.pop("push")
        event = "finish" if moving.is_last(rollout) else "step_up"
        moving.up(rollout, event=event, by=JUDGE, reason=reason, now=now, verdict="pass", **seen)
        return
    reason = f"{reason}; {asked}, so that a person is asked" if asked and not moving.asks(rollout) else reason
    moving.commit(rollout, event="earn", by=JUDGE, reason=reason, now=now, **seen)
    rollout.steps.filter(ended_at=None).update(verdict="pass", reason=reason)
    telling.asks(rollout, moving.next_weights(rollout), now=now)


def _finish_rollback(
    rollout: Rollout, followed: pushing.Followed, *, admin: ProxyAdmin, now: datetime
) -> None:
    followed = pushing.read_back(rollout, followed, admin=admin, now=now)
    with transaction.atomic():
        if rollout.weight and "return_by" in rollout.push:
            returning.go_on(rollout, followed, by=JUDGE, now=now)
            return
        # An empty push: there was nothing to take away, so there is nothing to be obeyed.
        if followed.push and not followed.verified:
            moving.commit(rollout, now=now, push=followed.push, problem=followed.problem)
            if followed.late:
                telling.not_obeyed(rollout, f"the rollback is not obeyed yet: {followed.problem}", now=now)
            return
        moving.lock(rollout)
        why = moving.restore_base(rollout, by=JUDGE, reason=rollout.reason, now=now)
        if why:
            moving.commit(rollout, now=now, push=followed.push, problem=why)
            telling.not_obeyed(rollout, why, now=now)
            return
        moving.release(rollout, by=JUDGE, reason=rollout.reason, now=now)
        moving.commit(
            rollout,
            event="verify",
            by=JUDGE,
            reason=rollout.reason,
            now=now,
            push=followed.push,
            problem="",
            fence=None,
            overlay_expires_at=None,
        )
        telling.rolled_back(rollout, now=now)
