"""The dry run of a rollout: its plan and what every proxy would be told, step by step. Writes nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import proxy.differences
import proxy.selectors
from canary.domain import shares
from canary.domain.errors import Refused
from canary.domain.plan import WHOLE, Plan
from canary.services.starting import checked, held, live
from proxy.domain.errors import ProxyError
from proxy.selectors import RouteRow


@dataclass(frozen=True, slots=True)
class RehearsedStep:
    """A change of weights: the split that each proxy of the tier would go from and to, in basis points.

    `what` is step, bake or promotion.
    """

    what: str
    weight: int
    before: dict[str, int]
    after: dict[str, int]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a start would do. `held` says what would refuse it at the moment; empty: nothing.

    `changes` are those of the first step in Envoy's terms, of each proxy alike.
    """

    tier: str
    route: str
    upstream: str
    mode: str
    plan: dict[str, Any]
    proxies: tuple[str, ...]
    steps: tuple[RehearsedStep, ...]
    changes: tuple[str, ...]
    held: str


def rehearse(
    *,
    route: str | int,
    upstream: str,
    plan: Mapping[str, Any] | None,
    mode: str,
    later: bool = False,
    now: datetime,
) -> Rehearsal:
    """Look at a start without starting. Raises a `Refused` that names the field, as `start` does.

    `later`: it is to start when others have ended, so that one that lives on the route is only told.
    """
    read, where = checked(route, upstream, plan, mode)
    busy = live(where)
    if busy is not None and not later:
        raise busy
    return Rehearsal(
        tier=where.tier,
        route=where.name,
        upstream=upstream,
        mode=mode,
        plan=read.model_dump(mode="json"),
        proxies=tuple(row.name for row in proxy.selectors.tier(where.tier).proxies),
        steps=_steps(read, where, upstream, now),
        changes=_changes(read, where, upstream, now),
        held=busy.why if busy else _held(read, where, upstream, now),
    )


def _held(plan: Plan, where: RouteRow, upstream: str, now: datetime) -> str:
    hold = held(where, upstream, plan, now)
    return f"{hold.why}; {hold.remedy}" if hold else ""


def _changes(plan: Plan, where: RouteRow, upstream: str, now: datetime) -> tuple[str, ...]:
    """The first step's change, in Envoy's terms. Raises Refused."""
    first = shares.split(plan, where.split, upstream, plan.share(0))
    try:
        patch = shares.patch(plan, where.name, upstream, first, copied=plan.unjudged(0))
        return tuple(str(one) for one in proxy.differences.difference(where.tier, [patch], now=now))
    except ProxyError as error:
        raise Refused("route", f"the tier refuses it: {error}") from error


def rehearsed(found: Rehearsal) -> list[str]:
    """The dry run in lines, to read at a shell."""
    return ["Nothing was changed.", *told(found)]


def told(found: Rehearsal) -> list[str]:
    """One rollout of a dry run in lines."""
    head = f"{found.upstream} on {found.tier}/{found.route}, mode {found.mode}"
    refused = [f"It would be refused now: {found.held}."] if found.held else []
    proxies = ", ".join(found.proxies)
    steps = [
        f"{step.what} at {step.weight / 100:g} %, on {proxies}: {_split(step.before)} -> {_split(step.after)}"
        for step in found.steps
    ]
    return [
        head,
        *refused,
        *steps,
        "The first step, for Envoy:",
        *found.changes,
        f"plan: {json.dumps(found.plan)}",
    ]


def _split(split: Mapping[str, int]) -> str:
    return ", ".join(f"{arm} {weight / 100:g} %" for arm, weight in sorted(split.items()))


def _steps(plan: Plan, where: RouteRow, upstream: str, now: datetime) -> tuple[RehearsedStep, ...]:
    runs = proxy.selectors.desired(where.tier, now=now).route(where.name)
    before = dict(runs.split) if runs else dict(where.split)
    told = [("step", plan.share(number)) for number in range(plan.last)]
    told += [("bake", plan.share(plan.last))] if plan.bakes else []
    found = []
    for what, share in [*told, ("promotion", WHOLE)]:
        after = shares.split(plan, where.split, upstream, share)
        found.append(RehearsedStep(what, share, dict(sorted(before.items())), dict(sorted(after.items()))))
        before = after
    return tuple(found)
