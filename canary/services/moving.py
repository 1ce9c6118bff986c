"""How a rollout changes: a conditional update, audit row and overlay, in the caller's transaction."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import proxy.selectors
import proxy.services
from audit import services as audit
from audit.domain.actor import Actor
from canary.domain import states
from canary.domain.plan import WHOLE, Plan, weights
from canary.models import Rollout, Step

# When every worker is dead, the tier is back at its base after this long. Renewed at half time.
LEASE = timedelta(seconds=120)
RENEW_BELOW = LEASE / 2


class Overtaken(Exception):
    """Somebody else changed the rollout since it was read: what was about to be done is void."""


def plan_of(rollout: Rollout) -> Plan:
    return Plan.model_validate(rollout.plan)


def commit(
    rollout: Rollout,
    *,
    event: str | None = None,
    by: Actor | None = None,
    reason: str = "",
    now: datetime,
    **changes: Any,
) -> None:
    """Write changes if nobody else did since `rollout` was read; with an event, the transition and its audit.

    Raises Overtaken and WrongState; then nothing is written.
    """
    if event is not None:
        changes["state"] = states.after(rollout.state, event)
        changes["reason"] = reason
    if changes.get("state") in states.TERMINAL:
        changes["finished_at"] = now
    changes["version"] = rollout.version + 1
    if not Rollout.objects.filter(pk=rollout.pk, version=rollout.version).update(**changes):
        raise Overtaken(str(rollout))
    came_from = rollout.state
    for name, value in changes.items():
        setattr(rollout, name, value)
    if event is not None and by is not None:
        audit.record(
            by=by,
            action=f"rollout.{event}" if rollout.state == came_from else f"rollout.{rollout.state}",
            target=rollout.subject,
            reason=reason,
            now=now,
            detail={"from": came_from, "to": rollout.state, "weight": rollout.weight, "step": rollout.step},
        )


def lock(rollout: Rollout) -> None:
    """Hold the rollout's row before the tier's: everybody takes the two in this order. Raises Overtaken."""
    held = Rollout.objects.select_for_update().filter(pk=rollout.pk, version=rollout.version)
    if not held.values_list("pk", flat=True).first():
        raise Overtaken(str(rollout))


def lay(rollout: Rollout, *, share: int, reason: str, by: Actor, now: datetime) -> dict[str, Any]:
    """Put the overlay that gives the canary `share` basis points; returns the fields that say so.

    Raises what `proxy.services.lease` and `put_overlay` raise. To be committed in the same transaction.
    """
    lock(rollout)
    split = weights(rollout.base, rollout.upstream, share)
    until = now + LEASE
    where = {"tier": rollout.tier, "target": rollout.target, "owner": rollout.owner}
    fence = proxy.services.lease(**where, until=until, by=by, now=now)
    generation = proxy.services.put_overlay(
        **where,
        patch={"kind": "weights", "route": rollout.route_name, "weights": split},
        fence=fence,
        expires_at=until,
        by=by,
        reason=reason,
        now=now,
    )
    return {
        "fence": fence,
        "overlay_expires_at": until,
        "weight": share,
        "push": push(rollout, generation, split, stage="overlay", now=now),
    }


def push(
    rollout: Rollout, generation: int, split: Mapping[str, int], *, stage: str, now: datetime
) -> dict[str, Any]:
    """A change of weights on its way to the proxies, as `Rollout.push` holds it.

    `stage` is `overlay`, or `base` where a promotion has become the configuration.
    """
    deadline = now + timedelta(seconds=plan_of(rollout).push_deadline)
    return {
        "stage": stage,
        "generation": generation,
        "weights": dict(split),
        "before": rollout.weight,
        "at": now.isoformat(),
        "deadline": deadline.isoformat(),
        "acked_at": None,
        "verified_at": None,
        "proxies": {},
    }


def enter_step(rollout: Rollout, *, now: datetime, obeyed_at: datetime | None = None) -> None:
    """Open the row of the rollout's present step."""
    Step.objects.create(
        rollout=rollout, number=rollout.step, weight=rollout.weight, began_at=now, obeyed_at=obeyed_at
    )


def leave_step(rollout: Rollout, *, verdict: str, reason: str, now: datetime) -> None:
    """Close the row of the rollout's present step with what ended it."""
    rollout.steps.filter(ended_at=None).update(ended_at=now, verdict=verdict, reason=reason)


def up(rollout: Rollout, *, event: str, by: Actor, reason: str, now: datetime, **changes: Any) -> None:
    """Give the canary the next step's weight."""
    plan = plan_of(rollout)
    number = plan.following(rollout.step, rollout.weight)
    leave_step(rollout, verdict="pass" if by.source == "automation" else "approved", reason=reason, now=now)
    laid = lay(rollout, share=plan.steps[number], reason=reason, by=by, now=now)
    commit(rollout, event=event, by=by, reason=reason, now=now, step=number, **laid, **changes)
    enter_step(rollout, now=now)


def whole(rollout: Rollout, *, event: str, by: Actor, reason: str, now: datetime, **changes: Any) -> None:
    """Give the canary everything, by the overlay first."""
    laid = lay(rollout, share=WHOLE, reason=reason, by=by, now=now)
    last = len(plan_of(rollout).steps) - 1
    commit(rollout, event=event, by=by, reason=reason, now=now, step=last, **laid, **changes)
    enter_step(rollout, now=now)


def next_weights(rollout: Rollout) -> dict[str, int]:
    """The route's split that the next step would give, in basis points."""
    return weights(rollout.base, rollout.upstream, _next_share(rollout))


def is_last(rollout: Rollout) -> bool:
    """Whether the next step is the whole."""
    return _next_share(rollout) == WHOLE


def _next_share(rollout: Rollout) -> int:
    plan = plan_of(rollout)
    return plan.steps[plan.following(rollout.step, rollout.weight)]


def away(
    rollout: Rollout, *, event: str, verdict: str, by: Actor, reason: str, now: datetime, **changes: Any
) -> None:
    """Take the canary's traffic away: weight 0 by the overlay, and by the base where it was promoted."""
    leave_step(rollout, verdict=verdict, reason=reason, now=now)
    laid = lay(rollout, share=0, reason=reason, by=by, now=now)
    base = proxy.selectors.base(rollout.tier).route(rollout.route_name)
    if base is not None and base.split.get(rollout.upstream, 0) > 0:
        proxy.services.publish_split(
            tier=rollout.tier, route=rollout.route_name, weights=rollout.base, by=by, reason=reason, now=now
        )
    commit(rollout, event=event, by=by, reason=reason, now=now, decided_at=now, problem="", **laid, **changes)
