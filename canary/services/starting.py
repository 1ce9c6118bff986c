"""Beginning a rollout."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from django.db import IntegrityError, transaction

import proxy.selectors
from audit import services as audit
from audit.domain.actor import Actor
from canary import room
from canary.domain.errors import Frozen, Held, KeyReused, LiveRollout, Refused, UnknownRoute, UnknownUpstream
from canary.domain.hooks import without_queries
from canary.domain.plan import MODES, BadPlan, Plan, read
from canary.freezes import Hold, holding
from canary.models import Rollout
from canary.services import arming, hooking, measurable
from canary.services.moving import enter_step, lay_step
from proxy.domain.errors import TargetTaken
from proxy.domain.errors import UnknownRoute as NoRoute
from proxy.selectors import RouteRow

Mode = Literal["approve", "auto", "observe"]


def start(
    *,
    route: str | int,
    upstream: str,
    plan: Mapping[str, Any] | None = None,
    mode: Mode = "approve",
    reason: str = "",
    key: str = "",
    retry_of: int | None = None,
    by: Actor,
    now: datetime,
) -> int:
    """Put `upstream` on `route` at the plan's first step; returns the rollout's number.

    The same non-empty `key` gives the same rollout, if the same is asked of it. `retry_of` is the number of
    one that is tried again. Raises a `Refused` that names the field.
    """
    known = started(key, route, upstream, plan, mode)
    if known is not None:
        return known
    steps, where = check(route, upstream, plan, mode)
    _refuse_frozen(where, upstream, steps, now)
    try:
        with transaction.atomic():
            began = _begin(where, upstream, steps, mode=mode, reason=reason, key=key, by=by, now=now)
            Rollout.objects.filter(pk=began).update(retry_of=retry_of)
            return began
    except TargetTaken as error:
        raise Held("route", f"the weights of {where.name} are held by {error.owner}") from error
    except IntegrityError as error:
        # The database is the judge of a race between two starts: the same key, or the same route.
        again = _by_key(key)
        if again is not None:
            return _same(again, route, upstream, plan, mode)
        busy = live(where)
        if busy is None:
            raise
        raise busy from error


def started(
    key: str, route: str | int, upstream: str, plan: Mapping[str, Any] | None, mode: str
) -> int | None:
    """The number of the rollout that a key has started already. Raises KeyReused where that is another."""
    known = _by_key(key)
    return None if known is None else _same(known, route, upstream, plan, mode)


def _by_key(key: str) -> Rollout | None:
    return Rollout.objects.filter(key=key).first() if key else None


def _same(known: Rollout, route: str | int, upstream: str, plan: Mapping[str, Any] | None, mode: str) -> int:
    """The number of the rollout that a key started. Raises KeyReused where another one is asked for."""
    names = {known.route_name, f"{known.tier}/{known.route_name}", str(known.route_id)}
    differs = {
        "route": str(route) not in names,
        "upstream": upstream != known.upstream,
        "plan": not measurable.same(_read(plan), Plan.model_validate(known.plan)),
        "mode": mode != known.mode,
    }
    others = " and ".join(name for name, other in differs.items() if other)
    if others:
        raise KeyReused("key", f"started rollout {known.pk} already, with another {others}")
    return known.pk


def _read(plan: Mapping[str, Any] | None) -> Plan:
    try:
        return read(plan)
    except BadPlan as error:
        raise Refused(f"plan.{error.field}", error.why) from error


def check(
    route: str | int, upstream: str, plan: Mapping[str, Any] | None, mode: str
) -> tuple[Plan, RouteRow]:
    """As `checked`, on a route that is free. Raises LiveRollout besides."""
    steps, where = checked(route, upstream, plan, mode)
    busy = live(where)
    if busy is not None:
        raise busy
    return steps, where


def checked(
    route: str | int, upstream: str, plan: Mapping[str, Any] | None, mode: str
) -> tuple[Plan, RouteRow]:
    """What a start would be of: its plan and its route. Raises a `Refused` that names the field."""
    try:
        where = proxy.selectors.route(route)
    except NoRoute as error:
        raise UnknownRoute("route", str(error)) from error
    _check_upstream(where, upstream)
    if mode not in MODES:
        raise Refused("mode", f"must be {', '.join(MODES[:-1])} or {MODES[-1]}")
    steps = _read(plan)
    if mode != "approve" and steps.approvals != "each":
        raise Refused("plan.approvals", f"mode {mode} asks for no approval: take mode approve")
    hooking.check(steps)
    arming.check(where, upstream, steps, mode)
    return measurable.settled(steps, where), where


def held(where: RouteRow, upstream: str, plan: Plan, now: datetime) -> Hold | None:
    """What stops every other step up stops the first one too: a budget, a freeze, no room to take it back."""
    reserve = room.of(where.tier, where.name, base=where.split, canary=upstream, plan=plan, now=now)
    return holding(where.tier, where.name, plan, now=now) or room.holding(reserve)


def _refuse_frozen(where: RouteRow, upstream: str, plan: Plan, now: datetime) -> None:
    hold = held(where, upstream, plan, now)
    if hold:
        raise Frozen("route", f"{hold.why}; {hold.remedy}")


def _check_upstream(where: RouteRow, upstream: str) -> None:
    if not where.split:
        raise Refused("route", f"{where.name} asks no upstream, so that there is no traffic to try one on")
    tier = proxy.selectors.base(where.tier)
    canary = tier.upstream(upstream)
    if canary is None:
        raise UnknownUpstream("upstream", f"tier {where.tier} has no upstream {upstream}")
    if where.split.get(upstream, 0) > 0:
        raise Refused("upstream", f"{upstream} takes traffic of {where.name} already, by its configuration")
    arms = [tier.upstream(name) for name, weight in where.split.items() if weight > 0]
    for arm in arms:
        if arm is not None and arm.protocol != canary.protocol:
            why = (
                f"{upstream} speaks {canary.protocol}, and {arm.name}, which has the traffic of {where.name},"
            )
            raise Refused("upstream", f"{why} speaks {arm.protocol}")


def live(where: RouteRow) -> LiveRollout | None:
    """What stands in the way of another rollout of the route; None: it is free."""
    number = Rollout.objects.live().filter(route=where.id).values_list("pk", flat=True).first()
    if number is None:
        return None
    return LiveRollout("route", f"{where.name} has rollout {number}, which has not ended")


def _begin(
    where: RouteRow,
    upstream: str,
    plan: Plan,
    *,
    mode: Mode,
    reason: str,
    key: str,
    by: Actor,
    now: datetime,
) -> int:
    said = reason or f"{upstream} is tried on {where.name}"
    rollout = Rollout.objects.create(
        route_id=where.id,
        tier=where.tier,
        route_name=where.name,
        upstream=upstream,
        base=where.split,
        plan=plan.model_dump(mode="json"),
        mode=mode,
        key=key or None,
        created_at=now,
        created_by=by.name,
        state="running",
        weight=0,
        stated_reason=reason,
        reason=said,
        next_wakeup_at=now,
        folded_until=now.timestamp(),
    )
    # With hooks before its steps a rollout opens without weights: the tick takes the first step too.
    if not hooking.of(plan, "before"):
        laid = lay_step(rollout, 0, reason=said, by=by, now=now)
        Rollout.objects.filter(pk=rollout.pk).update(**laid)
        rollout.weight = plan.steps[0]
        enter_step(rollout, now=now)
    audit.record(
        by=by,
        action="rollout.started",
        target=rollout.subject,
        reason=said,
        now=now,
        detail={
            "upstream": upstream,
            "mode": mode,
            "plan": without_queries(rollout.plan),
            "weight": rollout.weight,
        },
    )
    return rollout.pk
