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
from canary.services.starting import check, held
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
    *, route: str | int, upstream: str, plan: Mapping[str, Any] | None, mode: str, now: datetime
) -> Rehearsal:
    """Look at a start without starting. Raises a `Refused` that names the field, as `start` does."""
    read, where = check(route, upstream, plan, mode)
    hold = held(where, upstream, read, now)
    first = shares.split(read, where.split, upstream, read.share(0))
    try:
        patch = shares.patch(read, where.name, upstream, first, copied=read.unjudged(0))
        changes = proxy.differences.difference(where.tier, [patch], now=now)
    except ProxyError as error:
        raise Refused("route", f"the tier refuses it: {error}") from error
    return Rehearsal(
        tier=where.tier,
        route=where.name,
        upstream=upstream,
        mode=mode,
        plan=read.model_dump(mode="json"),
        proxies=tuple(row.name for row in proxy.selectors.tier(where.tier).proxies),
        steps=_steps(read, where, upstream, now),
        changes=tuple(str(change) for change in changes),
        held=hold.why if hold else "",
    )


def rehearsed(found: Rehearsal) -> list[str]:
    """The dry run in lines, to read at a shell."""
    head = f"Nothing was changed. {found.upstream} on {found.tier}/{found.route}, mode {found.mode}."
    refused = [f"It would be refused now: {found.held}."] if found.held else []
    proxies = ", ".join(found.proxies)
    steps = [
        f"{step.what} at {step.weight / 100:g} %, on {proxies}: {_told(step.before)} -> {_told(step.after)}"
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


def _told(split: Mapping[str, int]) -> str:
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
