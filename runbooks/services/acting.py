"""What a run does to the tier, and only this: lay its overlays, look how far they are, take them away."""

from collections.abc import Sequence
from datetime import datetime

import proxy.selectors
import proxy.services
from audit.domain.actor import Actor
from proxy.domain.errors import ProxyError
from proxy.domain.obedience import Reading
from proxy.ports import ProxyAdmin
from runbooks.domain.plan import plan_from
from runbooks.models import Run


def lease(run: Run, targets: tuple[str, ...], *, until: datetime, by: Actor, now: datetime) -> dict[str, int]:
    """Hold every target, in sorted order so that two runs never wait for each other. Raises TargetTaken."""
    return {
        target: proxy.services.lease(
            tier=run.tier, target=target, owner=run.owner, until=until, by=by, now=now
        )
        for target in sorted(targets)
    }


def put(run: Run, *, expires_at: datetime, by: Actor, now: datetime) -> int:
    """Lay the plan over the tier; returns the generation that has all of it. Safe to repeat.

    Raises StaleFence, TargetTaken, UnknownTarget, Invalid.
    """
    plan = plan_from(run.plan or {})
    return max(
        proxy.services.put_overlay(
            tier=run.tier,
            target=target,
            owner=run.owner,
            patch=patch,
            fence=run.fences[target],
            expires_at=expires_at,
            by=by,
            reason=f"run {run.pk}: {run.why}",
            now=now,
        )
        for target, patch in zip(plan.targets, plan.patches, strict=True)
    )


def take_away(run: Run, *, release: bool, why: str, by: Actor, now: datetime) -> int:
    """Delete the run's overlays and raise the floor of each target; returns the generation without them.

    What nobody has begun to send is dropped. With `release` the leases end too. Safe to repeat, and right
    also when nothing was laid.
    """
    run.acts.filter(phase="do", state="due", attempts=0).update(state="dropped", ended_at=now)
    generations = [
        proxy.services.delete_overlay(
            tier=run.tier,
            target=target,
            owner=run.owner,
            fence=fence,
            by=by,
            reason=f"run {run.pk}: {why}",
            now=now,
            release=release,
        )
        for target, fence in sorted(run.fences.items())
    ]
    return max(generations, default=run.generation or 0)


def read_back(run: Run, admin: ProxyAdmin, *, now: datetime) -> dict[str, Reading]:
    """What each proxy of the tier really runs of the plan: the first patch that it contradicts, or all."""
    plan = plan_from(run.plan or {})
    if not plan.patches:
        return {}
    try:
        found = proxy.services.obeyed(admin=admin, tier=run.tier, patches=plan.patches, now=now)
    except ProxyError as error:
        # The tier was declared anew meanwhile, and the plan does not fit it any more.
        return {run.tier: Reading(f"not read: {error}")}
    return {name: _together(readings) for name, readings in found.items()}


def _together(readings: Sequence[Reading]) -> Reading:
    wrong = next((reading for reading in readings if reading.contradicts), None)
    return wrong or Reading("; ".join(dict.fromkeys(reading.says for reading in readings)))
