"""Describes what holds a rollout's steps up at the moment: a spent error budget, or a freeze window."""

from dataclasses import dataclass
from datetime import UTC, datetime

import proxy.selectors
import slo.selectors
from canary.domain import states
from canary.domain.plan import Plan
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


def of_rollout(tier: str, route: str, state: str, plan: Plan, *, now: datetime) -> Hold | None:
    """As `holding`, of a rollout that could still step up; None of another one."""
    if state in states.TERMINAL or state == "rolling_back":
        return None
    return holding(tier, route, plan, now=now)


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
