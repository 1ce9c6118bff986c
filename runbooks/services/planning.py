"""Makes the plan that a person reads and approves: the exact change, its undo, its blast radius."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import proxy.differences
from proxy.domain.errors import ProxyError
from proxy.domain.patches import target_of
from proxy.domain.tier import Tier
from runbooks.domain.blast import routes_touched
from runbooks.domain.measures import Measure
from runbooks.domain.plan import Plan, PlannedStep, summary
from runbooks.domain.steps import UnknownPlaceholder, spread
from runbooks.domain.targets import splits_of, upstreams_of
from runbooks.services.steps import KINDS, OVERLAYING
from runbooks.services.steps.contract import CannotPlan, Case
from runbooks.services.watched import Watched


class NoPlan(Exception):
    """There is none now, for the reason told in a sentence."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a remedy comes to on one target: patches, and steps that are none, by their places."""

    patches: tuple[dict[str, Any], ...]
    steps: tuple[PlannedStep, ...]
    overlays_at: int


def draft(tier: Tier, watched: Watched, subject: str, measured: Measure, *, now: datetime) -> Draft:
    """The runbook's remedy on this target as it is now. Raises NoPlan."""
    scope, judge = watched.definition.scope, watched.judge
    names = {f"names.{signal}": list(found) for signal, found in measured.names.items()}
    known = {scope: subject, "tier": tier.name, **judge.policy.thresholds, **names}
    case = Case(tier, watched, subject, measured, now, known)
    try:
        return _drafted(list(spread(judge.remedy.steps, known, upstreams_of(scope, subject, tier))), case)
    except (UnknownPlaceholder, CannotPlan, ProxyError) as error:
        raise NoPlan(f"it cannot be planned: {error}") from error


def _drafted(said: Sequence[dict[str, Any]], case: Case) -> Draft:
    laid, steps = list[tuple[int, dict[str, Any]]](), list[PlannedStep]()
    for place, step in enumerate(said):
        kind = step["do"]
        if kind in OVERLAYING:
            laid += [(place, patch) for patch in OVERLAYING[kind].patches(step, case)]
        else:
            made = KINDS[kind].plan(step, case)
            steps.append(PlannedStep(place, kind, dict(made.said), made.words, made.undo))
    first = min((place for place, _ in laid), default=0)
    return Draft(tuple(patch for _, patch in laid), tuple(steps), first)


def make_plan(drafted: Draft, *, tier: Tier, watched: Watched, now: datetime) -> Plan:
    """The plan for the draft on what the tier runs now. Raises NoPlan."""
    try:
        targets = tuple(target_of(patch) for patch in drafted.patches)
        changes = proxy.differences.difference(tier.name, drafted.patches, now=now) if targets else ()
    except ProxyError as error:
        raise NoPlan(f"it cannot be planned: {error}") from error
    return Plan(
        summary=_summary(drafted),
        patches=drafted.patches,
        targets=targets,
        changes=tuple(str(change) for change in changes),
        undo=_undo(targets, drafted.steps),
        routes=tuple(sorted(routes_touched(drafted.patches, splits_of(tier)))),
        proxies=tuple(sorted(each.name for each in tier.proxies)),
        expires_after_seconds=_expiry(watched, drafted.steps),
        steps=drafted.steps,
        overlays_at=drafted.overlays_at,
    )


def _expiry(watched: Watched, steps: Sequence[PlannedStep]) -> float:
    """An overlay lives on while steps after it wait for an answer."""
    return watched.judge.policy.expiry.total_seconds() + sum(step.seconds for step in steps)


def _summary(drafted: Draft) -> str:
    before = [step.words for step in drafted.steps if step.place < drafted.overlays_at]
    after = [step.words for step in drafted.steps if step.place >= drafted.overlays_at]
    laid = [summary(drafted.patches)] if drafted.patches else []
    return ", then ".join([*before, *laid, *after])


def _undo(targets: Sequence[str], steps: Sequence[PlannedStep]) -> str:
    laid = [f"delete the overlay on {', '.join(targets)}; each proxy acknowledges it"] if targets else []
    others = [step for step in reversed(steps) if KINDS[step.kind].nature != "read"]
    taken = [step.undo or f"nothing takes back: {step.words}" for step in others]
    return "; ".join([*laid, *taken])
