"""Beginning a rollout."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from django.db import IntegrityError, transaction

import proxy.selectors
from audit import services as audit
from audit.domain.actor import Actor
from canary.domain.errors import Frozen, Held, KeyReused, LiveRollout, Refused, UnknownRoute, UnknownUpstream
from canary.domain.plan import BadPlan, Plan, read
from canary.models import Rollout
from canary.services.moving import enter_step, frozen, lay
from proxy.domain.errors import TargetTaken
from proxy.domain.errors import UnknownRoute as NoRoute
from proxy.selectors import RouteRow

Mode = Literal["approve", "auto"]


def start(
    *,
    route: str | int,
    upstream: str,
    plan: Mapping[str, Any] | None = None,
    mode: Mode = "approve",
    reason: str = "",
    key: str = "",
    by: Actor,
    now: datetime,
) -> int:
    """Put `upstream` on `route` at the plan's first step; returns the rollout's number.

    The same non-empty `key` gives the same rollout, if the same is asked of it. Raises a `Refused` that names
    the field.
    """
    known = _by_key(key)
    if known is not None:
        return _same(known, route, upstream, plan, mode)
    steps, where = _check(route, upstream, plan, mode)
    try:
        with transaction.atomic():
            return _begin(where, upstream, steps, mode=mode, reason=reason, key=key, by=by, now=now)
    except TargetTaken as error:
        raise Held("route", f"the weights of {where.name} are held by {error.owner}") from error
    except IntegrityError as error:
        # The database is the judge of a race between two starts: the same key, or the same route.
        again = _by_key(key)
        if again is not None:
            return _same(again, route, upstream, plan, mode)
        if not _has_live(where):
            raise
        raise _live(where) from error


def _by_key(key: str) -> Rollout | None:
    return Rollout.objects.filter(key=key).first() if key else None


def _same(known: Rollout, route: str | int, upstream: str, plan: Mapping[str, Any] | None, mode: str) -> int:
    """The number of the rollout that a key started. Raises KeyReused where another one is asked for."""
    names = {known.route_name, f"{known.tier}/{known.route_name}", str(known.route_id)}
    differs = {
        "route": str(route) not in names,
        "upstream": upstream != known.upstream,
        "plan": _read(plan) != Plan.model_validate(known.plan),
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


def _check(
    route: str | int, upstream: str, plan: Mapping[str, Any] | None, mode: str
) -> tuple[Plan, RouteRow]:
    try:
        where = proxy.selectors.route(route)
    except NoRoute as error:
        raise UnknownRoute("route", str(error)) from error
    _check_upstream(where, upstream)
    if mode not in ("approve", "auto"):
        raise Refused("mode", "must be approve or auto")
    steps = _read(plan)
    if _has_live(where):
        raise _live(where)
    why = frozen(where.tier, where.name)
    if why:
        raise Frozen("route", f"{why}; wait, or change the tier's budget_policy")
    return steps, where


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


def _has_live(where: RouteRow) -> bool:
    return Rollout.objects.live().filter(route=where.id).exists()


def _live(where: RouteRow) -> LiveRollout:
    number = Rollout.objects.live().filter(route=where.id).values_list("pk", flat=True).first()
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
    laid = lay(rollout, share=plan.steps[0], reason=said, by=by, now=now)
    Rollout.objects.filter(pk=rollout.pk).update(**laid)
    rollout.weight = plan.steps[0]
    enter_step(rollout, now=now)
    audit.record(
        by=by,
        action="rollout.started",
        target=rollout.subject,
        reason=said,
        now=now,
        detail={"upstream": upstream, "mode": mode, "plan": rollout.plan, "weight": rollout.weight},
    )
    return rollout.pk
