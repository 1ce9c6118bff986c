"""How a rollout changes: a conditional update, audit row and overlay, in the caller's transaction."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

import proxy.selectors
import proxy.services
import slo.selectors
from audit import services as audit
from audit.domain.actor import Actor
from canary import freezes, room
from canary.domain import family, shares, states
from canary.domain.plan import WHOLE, Plan
from canary.models import Rollout, Step
from canary.services import telling
from proxy.domain.errors import ProxyError

# When every worker is dead, the tier is back at its base after this long. Renewed at half time.
LEASE = timedelta(seconds=120)
RENEW_BELOW = LEASE / 2
# What the audit says of events whose next state says something else.
SAID = {"approve": "approved", "force": "forced", "skip": "skipped", "resume": "resumed", "undo": "undone"}


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
            action=f"rollout.{_said(event, came_from, rollout.state)}",
            target=rollout.subject,
            reason=reason,
            now=now,
            detail={"from": came_from, "to": rollout.state, "weight": rollout.weight, "step": rollout.step},
        )
    if event is not None:
        telling.answered(rollout, came_from, by=by, now=now)


def _said(event: str, came_from: str, state: str) -> str:
    return SAID.get(event) or (event if state == came_from else state)


def lock(rollout: Rollout) -> None:
    """Hold the rollout's row before the tier's: everybody takes the two in this order. Raises Overtaken."""
    held = Rollout.objects.select_for_update().filter(pk=rollout.pk, version=rollout.version)
    if not held.values_list("pk", flat=True).first():
        raise Overtaken(str(rollout))


def lay(
    rollout: Rollout,
    *,
    share: int,
    reason: str,
    by: Actor,
    now: datetime,
    stage: str = "overlay",
    asked: bool = True,
    copied: bool = False,
) -> dict[str, Any]:
    """Put the overlay that gives the canary `share` basis points; returns the fields that say so.

    `stage` is what the push is a part of: see `push`. Unless `asked`, as when traffic returns, nobody gets
    the canary by asking for it, and its baseline has nothing. `copied`: with the plan's copies of requests.

    Raises what `proxy.services.lease` and `put_overlay` raise. To be committed in the same transaction.
    """
    lock(rollout)
    plan = plan_of(rollout)
    split = shares.split(plan, rollout.base, rollout.upstream, share, returning=not asked)
    until = now + LEASE
    where = {"tier": rollout.tier, "target": rollout.target, "owner": rollout.owner}
    fence = proxy.services.lease(**where, until=until, by=by, now=now)
    generation = proxy.services.put_overlay(
        **where,
        patch=shares.patch(plan, rollout.route_name, rollout.upstream, split, asked=asked, copied=copied),
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
        "push": {**push(rollout, generation, split, stage=stage, by=by, now=now), "copies": copied},
    }


def push(
    rollout: Rollout, generation: int, split: Mapping[str, int], *, stage: str, by: Actor, now: datetime
) -> dict[str, Any]:
    """A change of weights on its way to the proxies, as `Rollout.push` holds it.

    `stage` is `overlay`, `bake` where the old arm keeps a little for a while, or `base` where a promotion has
    become the configuration; `by` is who decided on it; `before` is what `room.given` said.
    """
    deadline = now + timedelta(seconds=plan_of(rollout).push_deadline)
    return {
        "stage": stage,
        "by": {"name": by.name, "source": by.source},
        "generation": generation,
        "weights": dict(split),
        "before": room.given(rollout),
        "at": now.isoformat(),
        "deadline": deadline.isoformat(),
        "acked_at": None,
        "verified_at": None,
        "proxies": {},
    }


def again(rollout: Rollout, *, now: datetime) -> dict[str, Any]:
    """The present push, whose proxies have as long once more where they do not all show it yet."""
    if not rollout.push or rollout.push["verified_at"]:
        return rollout.push
    deadline = now + timedelta(seconds=plan_of(rollout).push_deadline)
    return {**rollout.push, "deadline": deadline.isoformat()}


def decider(rollout: Rollout) -> Actor | None:
    """Who decided on the present weights; None for a change that was sent before that was kept."""
    kept = rollout.push.get("by")
    return Actor(**kept) if kept else None


def stepped(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """`Rollout.evidence` at other weights: what earned the last step earns no other one."""
    weighed = family.begin_step(family.load(evidence.get("family", {})))
    return {**evidence, "family": family.dump(weighed), "lap": evidence.get("lap", 0) + 1}


def enter_step(rollout: Rollout, *, now: datetime, obeyed_at: datetime | None = None) -> None:
    """Open the row of the rollout's present step."""
    Step.objects.create(
        rollout=rollout, number=rollout.step, weight=rollout.weight, began_at=now, obeyed_at=obeyed_at
    )


def leave_step(rollout: Rollout, *, verdict: str, reason: str, now: datetime) -> None:
    """Close the row of the rollout's present step with what ended it. Raises Overtaken.

    The rollout's row first, as who acts on it takes it: a person and the tick must not wait for each other.
    """
    lock(rollout)
    rollout.steps.filter(ended_at=None).update(ended_at=now, verdict=verdict, reason=reason)


def up(
    rollout: Rollout, *, event: str, by: Actor, reason: str, now: datetime, verdict: str, **changes: Any
) -> None:
    """Give the canary the next step's weight; it must earn the one after by what it does there.

    `verdict` is what ended the step before.
    """
    plan = plan_of(rollout)
    evidence = stepped(changes.pop("evidence", rollout.evidence))
    number = plan.following(rollout.step, rollout.weight)
    leave_step(rollout, verdict=verdict, reason=reason, now=now)
    laid = lay_step(rollout, number, reason=reason, by=by, now=now)
    changes = {**changes, **laid, "evidence": evidence, "step": number}
    commit(rollout, event=event, by=by, reason=reason, now=now, **changes)
    enter_step(rollout, now=now)


def whole(rollout: Rollout, *, event: str, by: Actor, reason: str, now: datetime, **changes: Any) -> None:
    """Give the canary everything, by the overlay first; what kept the old arm warm too, once it has baked."""
    last = plan_of(rollout).last
    if rollout.state == "baking":
        laid = lay(rollout, share=WHOLE, reason=reason, by=by, now=now)
    else:
        laid = lay_step(rollout, last, reason=reason, by=by, now=now)
        changes = {"evidence": stepped(rollout.evidence), **changes}
    commit(rollout, event=event, by=by, reason=reason, now=now, step=last, **laid, **changes)
    enter_step(rollout, now=now)


def lay_step(rollout: Rollout, number: int, *, reason: str, by: Actor, now: datetime) -> dict[str, Any]:
    """As `lay`, with the share of the plan's step."""
    plan = plan_of(rollout)
    stage = "bake" if number == plan.last and plan.bakes else "overlay"
    share, copied = plan.share(number), plan.mirror is not None and plan.unjudged(number)
    return lay(rollout, share=share, reason=reason, by=by, now=now, stage=stage, copied=copied)


def frozen(rollout: Rollout, now: datetime) -> freezes.Hold | None:
    """What lets the canary have no more of the route's traffic now; None where nothing does."""
    plan = plan_of(rollout)
    paused = freezes.of_release(rollout.pk)
    held = paused or freezes.holding(rollout.tier, rollout.route_name, plan, now=now)
    return held or room.holding(room.of_rollout(rollout, now))


def asked_first(rollout: Rollout) -> str:
    """Why the tier's budget policy wants a person's approval of each step up; empty where it does not."""
    found = slo.selectors.demanded(rollout.tier, rollout.route_name)
    return found.why if found.demand == "approve" else ""


def next_weights(rollout: Rollout) -> dict[str, int]:
    """The route's split that the next step would give, in basis points."""
    plan = plan_of(rollout)
    return shares.split(plan, rollout.base, rollout.upstream, plan.share(_next(rollout)))


def is_last(rollout: Rollout) -> bool:
    """Whether the next step is the whole."""
    return _next(rollout) == plan_of(rollout).last


def asks(rollout: Rollout) -> bool:
    """Whether the plan lets a person take the next step that is earned."""
    return rollout.mode != "auto" and (plan_of(rollout).approvals == "each" or is_last(rollout))


def _next(rollout: Rollout) -> int:
    return plan_of(rollout).following(rollout.step, rollout.weight)


def away(
    rollout: Rollout, *, event: str, verdict: str, by: Actor, reason: str, now: datetime, **changes: Any
) -> None:
    """Take the canary's traffic away: weight 0 by the overlay, and by the base where it was promoted.

    Where the other arms have no room for all of it, as much as they have room for: `returning` does the rest.
    A base that cannot be published holds nothing up: the overlay stays over it.
    """
    leave_step(rollout, verdict=verdict, reason=reason, now=now)
    laid = lay_back(rollout, share=room.kept(rollout, now), reason=reason, by=by, now=now)
    why = restore_base(rollout, by=by, reason=reason, now=now)
    changes = {**changes, **laid, "decided_at": now, "problem": why}
    commit(rollout, event=event, by=by, reason=reason, now=now, **changes)


def restore_base(rollout: Rollout, *, by: Actor, reason: str, now: datetime) -> str:
    """Publish the split of before the rollout where the base gives the canary traffic; why that cannot be.

    As long as it cannot, the overlay must not go.
    """
    if not _has_by_base(rollout):
        return ""
    where = {"tier": rollout.tier, "route": rollout.route_name}
    try:
        with transaction.atomic():
            proxy.services.publish_split(**where, weights=rollout.base, by=by, reason=reason, now=now)
    except ProxyError as error:
        return f"the split of before cannot be made the base, so that the overlay stays over it: {error}"
    return ""


def undo(
    rollout: Rollout, *, check: Callable[[Rollout], None], by: Actor, reason: str, now: datetime
) -> None:
    """Take a promotion back, which is alive again until every proxy shows it. Raises what `lay` raises.

    The row's new state comes first: a start too takes the route's one place before the tier's lock. What
    `check` refuses is looked for once more when the overlay is laid: then nobody else can change the split.
    """
    check(rollout)
    commit(rollout, event="undo", by=by, reason=reason, now=now, decided_at=now, finished_at=None, problem="")
    laid = lay_back(rollout, share=room.kept(rollout, now), reason=reason, by=by, now=now)
    check(rollout)
    proxy.services.publish_split(
        tier=rollout.tier, route=rollout.route_name, weights=rollout.base, by=by, reason=reason, now=now
    )
    commit(rollout, now=now, **laid)


def lay_back(rollout: Rollout, *, share: int, reason: str, by: Actor, now: datetime) -> dict[str, Any]:
    """As `lay_nothing`, with the `share` that the canary keeps for now; the push says for how long."""
    laid = lay_nothing(rollout, reason=reason, by=by, now=now, share=share)
    if laid["weight"]:
        laid["push"]["return_by"] = rollout.push.get("return_by") or room.return_by(rollout, now)
    return laid


def lay_nothing(rollout: Rollout, *, reason: str, by: Actor, now: datetime, share: int = 0) -> dict[str, Any]:
    """As `lay` with no share for the canary, or the `share` that it keeps for now.

    Where that cannot be laid, since the upstream or the route is gone or somebody else holds the weights, and
    the canary has no traffic any more, there is nothing to take away: the push is empty. Raises ProxyError
    where it still has some.
    """
    try:
        with transaction.atomic():
            return lay(rollout, share=share, reason=reason, by=by, now=now, asked=False)
    except ProxyError:
        if _has_by_base(rollout) or _has_by_overlay(rollout, now):
            raise
        return {"fence": None, "overlay_expires_at": None, "weight": 0, "push": {}}


def _has_by_base(rollout: Rollout) -> bool:
    route = proxy.selectors.base(rollout.tier).route(rollout.route_name)
    return route is not None and route.split.get(rollout.upstream, 0) > 0


def _has_by_overlay(rollout: Rollout, now: datetime) -> bool:
    live = proxy.selectors.live_overlays(rollout.tier, now=now)
    return any(row.owner == rollout.owner for row in live)


def release(rollout: Rollout, *, by: Actor, reason: str, now: datetime) -> int:
    """Take the overlay away, where there is one; returns the tier's generation without it."""
    if rollout.fence is None:
        return proxy.selectors.generation(rollout.tier)
    return proxy.services.delete_overlay(
        tier=rollout.tier,
        target=rollout.target,
        owner=rollout.owner,
        fence=rollout.fence,
        by=by,
        reason=reason,
        now=now,
    )
