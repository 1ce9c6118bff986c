"""A step at weight 0: who asks for the canary gets it, and copies of requests do, bounded in time.

Nothing there is judged by the requests of those who ask, so that a person takes the next step. Copies are
judged once, when they have ended; they never roll anything back, since no client gets their answers.
"""

from datetime import datetime, timedelta

from django.db import transaction

from audit.domain.actor import automation
from canary.domain import copies
from canary.domain.plan import Plan
from canary.models import Rollout
from canary.services import hooking, moving, telling
from canary.services.pushing import Followed
from telemetry.domain.errors import MetricsError
from telemetry.ports import Metrics

JUDGE = automation("judge")
WHY = (
    "only who asks for the canary gets it: such traffic is no sample of the route's, so nothing is judged by"
    " it and a person takes the next step"
)
# After the last copy was sent: it may take a while to end, and its count to be scraped.
SETTLES = timedelta(seconds=5)
# What was counted before the copies began is read from so far before them.
BEFORE = timedelta(seconds=30)


def hold(rollout: Rollout, followed: Followed, *, metrics: Metrics, now: datetime) -> str:
    """Take the step further; returns why the copies earned the next one, empty where nothing did."""
    plan, push = moving.plan_of(rollout), followed.push
    if push.get("copies"):
        _copying(rollout, followed, plan, now)
        return ""
    if rollout.state != "running" or not followed.verified:
        _keep(rollout, followed, followed.problem, now)
        return ""
    if not push.get("copied"):
        _ask(rollout, followed, WHY, now)
        return ""
    return _judge(rollout, followed, plan, metrics, now)


def _copying(rollout: Rollout, followed: Followed, plan: Plan, now: datetime) -> None:
    """Copies end when their time is over, in any state and whoever does not answer."""
    push, lasts = followed.push, timedelta(seconds=plan.mirror.seconds if plan.mirror else 0)
    if now < datetime.fromisoformat(push["at"]) + lasts:
        _keep(rollout, followed, followed.problem, now)
        return
    why = f"copies were sent for {lasts.total_seconds():g} s"
    with transaction.atomic():
        followed.write_step(rollout)
        laid = moving.lay(rollout, share=0, reason=why, by=JUDGE, now=now)
        laid["push"]["copied"] = [push["acked_at"] or push["at"], now.isoformat()]
        moving.commit(rollout, now=now, problem="", **laid)


def _judge(rollout: Rollout, followed: Followed, plan: Plan, metrics: Metrics, now: datetime) -> str:
    began, ended = (datetime.fromisoformat(text) for text in followed.push["copied"])
    if plan.mirror is None or now < ended + SETTLES:
        _keep(rollout, followed, followed.problem, now)
        return ""
    asked = copies.query(rollout.tier, rollout.route_name, plan.mirror.to(rollout.upstream))
    try:
        series = metrics.raw(asked, window=now - began + BEFORE, at=now)
    except MetricsError as error:
        if now < ended + timedelta(seconds=plan.longest_stay):
            _keep(rollout, followed, f"Prometheus gave no answer: {error}", now)
        else:
            _give_up(rollout, followed, f"the copies could not be judged: {error}", now)
        return ""
    kind, said = copies.judged(plan.mirror, copies.counted(series, since=began.timestamp()))
    if kind == "pass" and not plan.match:
        return said
    if kind == "pass":
        _ask(rollout, followed, f"{said}; {WHY}", now)
    else:
        _give_up(rollout, followed, said, now)
    return ""


def _keep(rollout: Rollout, followed: Followed, problem: str, now: datetime) -> None:
    with transaction.atomic():
        followed.write_step(rollout)
        hooking.announce(rollout, obeyed=followed.verified, now=now)
        moving.commit(rollout, now=now, push=followed.push, problem=problem)


def _ask(rollout: Rollout, followed: Followed, why: str, now: datetime) -> None:
    """Whether to take the next step, in any mode."""
    with transaction.atomic():
        followed.write_step(rollout)
        hooking.announce(rollout, obeyed=followed.verified, now=now)
        moving.commit(rollout, event="earn", by=JUDGE, reason=why, now=now, push=followed.push, problem="")
        rollout.steps.filter(ended_at=None).update(reason=why)
        telling.asks(rollout, moving.next_weights(rollout), now=now)


def _give_up(rollout: Rollout, followed: Followed, why: str, now: datetime) -> None:
    """A person decides: to go on all the same, to send copies again, or to end it."""
    with transaction.atomic():
        moving.commit(
            rollout, event="overstay", by=JUDGE, reason=why, now=now, push=followed.push, problem=why
        )
        telling.needs_human(rollout, why, now=now)
