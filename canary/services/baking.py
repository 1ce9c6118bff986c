"""The bake: the old arm stays warm for a while after the last step, and the canary is judged against it."""

from datetime import datetime, timedelta
from typing import Any

from canary.domain import family
from canary.domain.plan import WHOLE
from canary.models import Rollout
from canary.services import moving, telling
from canary.services.pushing import Followed
from canary.services.telling import JUDGE


def begin(rollout: Rollout, followed: Followed, *, now: datetime) -> None:
    """Every proxy obeys the last step; what paused the rollout before does not hold the bake unless it still
    fails. In the caller's transaction.
    """
    began = {"push": followed.push, "evidence": {**rollout.evidence, "paused_by": []}, "problem": ""}
    moving.commit(rollout, event="bake", by=JUDGE, reason=rollout.reason, now=now, **began)
    telling.bakes(rollout, moving.plan_of(rollout).bake, now=now)


def look_after(rollout: Rollout, seen: dict[str, Any], *, now: datetime) -> None:
    """End the bake when its time is over and nothing speaks against it. In the caller's transaction.

    `seen` are the fields that every look moves. A bake in which nothing could be compared does not end by
    itself, and neither does one in which a metric failed that may pause, or that a freeze or a spent budget
    holds.
    """
    late = now - ends_at(rollout, now)
    if late < timedelta(0):
        moving.commit(rollout, now=now, **seen)
        return
    hold = moving.frozen(rollout, now)
    failed = ", ".join(seen["evidence"].get("paused_by", []))
    why = f"{failed} failed meanwhile" if failed else hold.why if hold else _unmeasured(rollout, seen)
    if not why:
        _end(rollout, seen, now)
        return
    moving.commit(rollout, now=now, **{**seen, "problem": f"baked, but {why}"})
    if hold is None and not failed:
        ask_late(rollout, why, now=now)


def ask_late(rollout: Rollout, why: str, *, now: datetime) -> None:
    """Ask a person, once, where a bake that nobody holds has not ended for the plan's longest stay."""
    late = now - ends_at(rollout, now)
    if late.total_seconds() > moving.plan_of(rollout).longest_stay:
        telling.held(rollout, f"the bake does not end: {why}", now=now)


def ends_at(rollout: Rollout, now: datetime) -> datetime:
    """When the bake of a rollout that bakes has lasted long enough, counted from when all proxies obeyed."""
    step = rollout.steps.filter(ended_at=None).last()
    began = step.obeyed_at if step and step.obeyed_at else now
    return began + timedelta(seconds=moving.plan_of(rollout).bake.seconds)


def _unmeasured(rollout: Rollout, seen: dict[str, Any]) -> str:
    """Why there was nothing to judge by; empty where there was, and where the plan keeps no old arm warm."""
    if seen["no_data_since"]:
        return str(seen["problem"])
    if not moving.plan_of(rollout).bake.warm:
        return ""
    compared = family.load(seen["evidence"].get("family", {})).values()
    if any(one.step.n_c and one.step.n_k for one in compared):
        return ""
    return "one of the arms answered no request while it baked, so that nothing was compared"


def _end(rollout: Rollout, seen: dict[str, Any], now: datetime) -> None:
    plan = moving.plan_of(rollout)
    by = moving.decider(rollout) or JUDGE
    beside = "and did not fail" if plan.bake.warm else "with nothing to compare with"
    said = f"{rollout.reason}; it baked for {plan.bake.seconds:g} s {beside}"
    moving.leave_step(rollout, verdict="baked", reason=said, now=now)
    laid = moving.lay(rollout, share=WHOLE, reason=said, by=by, now=now)
    moving.commit(rollout, event="finish", by=JUDGE, reason=said, now=now, **{**seen, **laid})
    moving.enter_step(rollout, now=now)
