"""A rollout that stays where it is: what it waits for, and when a person is asked. And the way back to the
weights of before where the proxies did not take a step.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from canary.domain import states
from canary.models import Rollout
from canary.services import hooking, moving, pushing, telling
from canary.services.pushing import Followed
from canary.services.telling import JUDGE

# After the plan's push_deadline: so long may the weights not be read back before a person is asked.
UNREAD = timedelta(seconds=60)


def stay(rollout: Rollout, undecided: str, seen: dict[str, Any], now: datetime) -> None:
    """Keep what was seen; where it lasts too long, with or without data, ask a person.

    In the caller's transaction.
    """
    why = _too_long(rollout, undecided, seen, now) if rollout.state == "running" else ""
    if not why:
        moving.commit(rollout, now=now, **seen)
        return
    moving.commit(rollout, event="overstay", by=JUDGE, reason=why, now=now, **seen)
    telling.needs_human(rollout, why, now=now)


def wait(rollout: Rollout, hold: hooking.Hold, undecided: str, seen: dict[str, Any], now: datetime) -> None:
    """Nothing goes on while a hook's answer is awaited; when none can come any more, a person is asked."""
    seen = {**seen, "problem": hold.why}
    if not hold.final:
        stay(rollout, undecided, seen, now)
        return
    moving.commit(rollout, event="refuse", by=JUDGE, reason=hold.why, now=now, **seen)
    telling.needs_human(rollout, hold.why, now=now)


def back(rollout: Rollout, followed: Followed, now: datetime) -> None:
    """The proxies did not take the step: the weights before it again, and a person is asked."""
    before = rollout.push["before"]
    why = f"{rollout.weight / 100:g} % was not taken: {followed.refused}; back at {before / 100:g} %"
    with transaction.atomic():
        moving.leave_step(rollout, verdict="refused", reason=why, now=now)
        laid = moving.lay(rollout, share=before, reason=why, by=JUDGE, now=now)
        laid["push"]["refusable"] = False
        number = moving.plan_of(rollout).reached(before)
        laid["evidence"] = moving.stepped(rollout.evidence)
        event = "refuse" if "refuse" in states.ROLLOUT[rollout.state] else None
        moving.commit(rollout, event=event, by=JUDGE, reason=why, now=now, step=number, problem=why, **laid)
        telling.needs_human(rollout, why, originator="proxy", now=now)


def _too_long(rollout: Rollout, undecided: str, seen: dict[str, Any], now: datetime) -> str:
    """Why a person is asked about a rollout that runs; empty: not yet."""
    push = seen.get("push", rollout.push)
    if push and push["acked_at"] and not push["verified_at"]:
        return _unread(push, now)
    if not _overstayed(rollout, push, now):
        return ""
    stays = moving.plan_of(rollout).longest_stay
    return f"undecided after {stays:g} s at this weight: {seen['problem'] or undecided}"


def _unread(push: dict[str, Any], now: datetime) -> str:
    """A step begins when its weights are read back, and nobody is to wait for that without an end."""
    if now <= datetime.fromisoformat(push["deadline"]) + UNREAD:
        return ""
    return f"the step cannot begin: {pushing.unread(push) or 'the weights were not read back yet'}"


def _overstayed(rollout: Rollout, push: dict[str, Any], now: datetime) -> bool:
    """Nothing is asked before the weights were obeyed for long, and the step too, which may be later."""
    stays, obeyed = timedelta(seconds=moving.plan_of(rollout).longest_stay), push.get("verified_at")
    if obeyed is not None and now - datetime.fromisoformat(obeyed) <= stays:
        return False
    step = rollout.steps.filter(ended_at=None).last()
    if step is None or step.obeyed_at is None:
        return False
    return now - step.obeyed_at > stays
