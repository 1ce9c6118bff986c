"""Describes what holds a rollout's steps up now: a spent error budget, a freeze window, a paused release."""

from dataclasses import dataclass
from datetime import UTC, datetime

import proxy.selectors
import slo.selectors
from canary.domain import states
from canary.domain.plan import Plan
from canary.models import Member
from proxy.domain.tier.freezes import frozen


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing steps up. `until` is None where no clock ends it; `remedy` is what people can do."""

    why: str
    remedy: str
    until: datetime | None = None


def holding(tier: str, route: str, plan: Plan, *, now: datetime) -> Hold | None:
    """What stops steps up of the route; None where they are free. It never stops a rollback.

    The budget is named first: it has no end that is known. Raises UnknownTier.
    """
    found = slo.selectors.demanded(tier, route)
    if found.demand == "freeze":
        return Hold(f"steps up are frozen: {found.why}", "wait, or change the tier's budget_policy")
    return window(tier, plan, now=now)


def of_rollout(
    rollout_id: int, *, tier: str, route: str, state: str, plan: Plan, now: datetime
) -> Hold | None:
    """What stops steps up of a rollout that could still take one; None of another one."""
    if state in states.TERMINAL or state == "rolling_back":
        return None
    return of_release(rollout_id) or holding(tier, route, plan, now=now)


def of_release(rollout_id: int) -> Hold | None:
    """A paused release holds each of its rollouts where it is, whatever state that is in."""
    paused = Member.objects.filter(rollout=rollout_id, release__state="paused")
    found = paused.values_list("release__key", "release__reason").first()
    return Hold(f"release {found[0]} is paused ({found[1]})", "resume the release") if found else None


def window(tier: str, plan: Plan, *, now: datetime) -> Hold | None:
    """The freeze windows of the tier and of the plan, as one. Raises UnknownTier."""
    of_tier = proxy.selectors.base(tier).freeze
    found = frozen((*of_tier, *plan.freeze), now)
    if found is None:
        return None
    until, held = found
    whose = "the tier" if held in of_tier else "the plan"
    said = f" ({held.why})" if held.why else ""
    ends = f"{until.astimezone(UTC):%a %Y-%m-%d %H:%M} UTC"
    why = f"steps up are frozen until {ends} by a window of {whose}{said}"
    remedy = "wait, or change the tier's freeze" if whose == "the tier" else "wait"
    return Hold(why, remedy, until)
