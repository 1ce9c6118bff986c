"""Hooks of a rollout: what is to be asked, what an open question holds, and asking.

The tick writes questions and reads answers, both rows. Asking is a task of its own, outside of every
transaction: no hook, however slow, stands between a failing canary and its rollback, which asks none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

from audit import services as audit
from audit.domain.actor import automation
from canary import webhooks
from canary.domain import states
from canary.domain.errors import Refused
from canary.domain.hooks import CALL, Answer, Hook, Moment, asked_again_after
from canary.domain.plan import Plan
from canary.models import HookCall, Rollout
from canary.ports import Hooks
from canary.services.moving import decider, plan_of
from proxy.services.asking import asked

HOOKS = automation("hooks")
# Longer than one question may take: a worker that died while asking leaves it to the next.
CLAIM = timedelta(seconds=15)
# At most so many questions in one pass, all at once.
MOST = 32
# Questions that are made at a tick as soon as a step is obeyed; at the last step they wait for its read-back.
ASKED_WHILE = ("running", "awaiting_approval", "paused", "needs_human")
# States in which a step is still to be held; a rollback and what has ended ask nobody.
ASKING = tuple(state for state in states.LIVE if state != "rolling_back")


@dataclass(frozen=True, slots=True)
class Hold:
    """Why the rollout does not go on; with `final` no answer to come will change it: a person is asked."""

    why: str
    final: bool = False


def check(plan: Plan) -> None:
    """Raises Refused for the first hook that could never be asked, with its place. Asks nobody."""
    for number, hook in enumerate(plan.hooks):
        wrong = webhooks.from_settings().refused(hook)
        if wrong is not None:
            field, why = wrong
            raise Refused(f"plan.hooks.{number}.{field}", why)


def of(plan: Plan, moment: Moment) -> tuple[Hook, ...]:
    """The plan's hooks that are asked at that moment of each step."""
    return tuple(hook for hook in plan.hooks if moment in hook.when)


def announce(rollout: Rollout, *, obeyed: bool, now: datetime) -> None:
    """Ask what is to be asked after the present step, once every proxy was seen to obey its weights."""
    if obeyed and rollout.state in ASKED_WHILE:
        _questions(rollout, "after", step=rollout.step, weight=rollout.weight, now=now)


def held_after(rollout: Rollout, *, now: datetime) -> Hold | None:
    """What holds the rollout at its present step."""
    return _hold(rollout, "after", step=rollout.step, weight=rollout.weight, now=now)


def held(rollout: Rollout, *, now: datetime) -> Hold | None:
    """What holds the step up that was earned: hooks after the present step, then those before the next."""
    plan = plan_of(rollout)
    after = held_after(rollout, now=now) if rollout.push else None
    if after is not None:
        return after
    number = plan.following(rollout.step, rollout.weight)
    return _hold(rollout, "before", step=number, weight=plan.share(number), now=now)


def held_whole(rollout: Rollout, *, now: datetime) -> Hold | None:
    """What holds the last step, at which the canary has everything, from becoming the configuration.

    What a person decided on is not held: they saw what the hooks said.
    """
    _questions(rollout, "after", step=rollout.step, weight=rollout.weight, now=now)
    by = decider(rollout)
    if by is None or by.source != "automation":
        return None
    return held_after(rollout, now=now)


def _hold(rollout: Rollout, moment: Moment, *, step: int, weight: int, now: datetime) -> Hold | None:
    calls = _questions(rollout, moment, step=step, weight=weight, now=now)
    where = f"{moment} {weight / 100:g} %"
    for call in calls:
        if call.state == "refused":
            return Hold(f"hook {call.hook} refuses {where}: {call.said or 'without a reason'}", final=True)
        if call.state == "silent" or (call.state == "asking" and now >= call.deadline_at):
            waited = (call.deadline_at - call.asked_at).total_seconds()
            last = f"; the latest: {call.said}" if call.said else ""
            return Hold(f"hook {call.hook} did not say go {where} within {waited:g} s{last}", final=True)
    open_ones = ", ".join(call.hook for call in calls if call.state == "asking")
    return Hold(f"waiting for what hook {open_ones} says {where}") if open_ones else None


def _questions(
    rollout: Rollout, moment: Moment, *, step: int, weight: int, now: datetime
) -> Sequence[HookCall]:
    """The questions of this moment of this step, made where they are not there yet."""
    hooks = of(plan_of(rollout), moment)
    if not hooks:
        return ()
    entered = rollout.steps.count()
    known = list(rollout.hook_calls.filter(moment=moment, round=entered))
    fresh = [
        HookCall(
            rollout=rollout,
            hook=hook.name,
            moment=moment,
            round=entered,
            step=step,
            weight=weight,
            asked_at=now,
            next_at=now,
            deadline_at=now + timedelta(seconds=hook.deadline),
        )
        for hook in hooks
        if hook.name not in {call.hook for call in known}
    ]
    with transaction.atomic():
        for call in fresh:
            call.save(force_insert=True)
            _record(call, "hook_asked", f"{moment} {weight / 100:g} %", now)
    return [*known, *fresh]


def ask(*, hooks: Hooks, now: datetime) -> int:
    """Ask what is due, all at once; returns how many were asked. What is past its deadline becomes silent.

    While another worker asks nothing is asked: hooks that hang hold one worker, and never the last one that
    ticks.
    """
    _give_up(now)
    if HookCall.objects.filter(state="asking", claimed_until__gt=now).exists():
        return 0
    due = HookCall.objects.filter(
        state="asking", next_at__lte=now, deadline_at__gt=now, rollout__state__in=ASKING
    )
    mine = [call for call in due.select_related("rollout").order_by("next_at")[:MOST] if _claim(call, now)]
    for call, answer in zip(mine, asked(partial(_put, hooks, now), mine), strict=True):
        _settle(call, answer, now)
    return len(mine)


def _claim(call: HookCall, now: datetime) -> bool:
    """Commit the intent to ask. False where another worker was first."""
    taken = HookCall.objects.filter(pk=call.pk, state="asking", next_at=call.next_at).update(
        next_at=now + CLAIM, claimed_until=now + CLAIM, attempts=call.attempts + 1
    )
    call.attempts += 1
    return bool(taken)


def _put(hooks: Hooks, now: datetime, call: HookCall) -> Answer:
    """Runs on a thread of its own: what it reads of the rollout was read before."""
    found = [hook for hook in plan_of(call.rollout).hooks if hook.name == call.hook]
    if not found:
        return Answer.none("the plan has no such hook")
    return hooks.ask(
        found[0],
        question(call),
        event=f"{call.moment}_step",
        delivery=call.pk,
        timestamp=int(now.timestamp()),
    )


def question(call: HookCall) -> dict[str, Any]:
    """What a hook is told. Weights are in basis points."""
    rollout = call.rollout
    return {
        "event": f"{call.moment}_step",
        "delivery": call.pk,
        "hook": call.hook,
        "step": {"number": call.step, "weight": call.weight},
        "deadline": call.deadline_at.isoformat(),
        "rollout": {
            "id": rollout.pk,
            "key": rollout.key or "",
            "tier": rollout.tier,
            "route": rollout.route_name,
            "upstream": rollout.upstream,
            "state": rollout.state,
            "weight": rollout.weight,
            "url": f"{settings.BASE_URL}/rollouts/{rollout.pk}",
        },
    }


@transaction.atomic
def _settle(call: HookCall, answer: Answer, now: datetime) -> None:
    """Keep the answer of our own claim; one that was settled meanwhile is left alone."""
    mine = HookCall.objects.filter(pk=call.pk, state="asking", attempts=call.attempts)
    if answer.said in ("go", "refuse"):
        state = CALL["asking"][answer.said]
        if mine.update(state=state, said=answer.reason, settled_at=now, claimed_until=None):
            _record(call, f"hook_{state}", answer.reason, now)
        return
    again = timedelta(seconds=asked_again_after(answer, call.attempts))
    said = f"wait: {answer.reason}" if answer.said and answer.reason else answer.said or answer.reason
    mine.update(next_at=now + again, said=said, claimed_until=None)


def _give_up(now: datetime) -> None:
    """Nothing more is asked past a deadline; the audit says that nothing came."""
    late = HookCall.objects.filter(state="asking", deadline_at__lte=now).select_related("rollout")
    for call in late[:MOST]:
        with transaction.atomic():
            gone = HookCall.objects.filter(pk=call.pk, state="asking")
            if gone.update(state=CALL["asking"]["expire"], settled_at=now):
                _record(call, "hook_silent", call.said, now)


def _record(call: HookCall, verb: str, reason: str, now: datetime) -> None:
    audit.record(
        by=HOOKS,
        action=f"rollout.{verb}",
        target=call.rollout.subject,
        reason=reason,
        now=now,
        detail={
            "hook": call.hook,
            "moment": call.moment,
            "step": call.step,
            "weight": call.weight,
            "delivery": call.pk,
            "attempts": call.attempts,
        },
    )
