"""The reserve of a rollout's other arms, from rows alone: no step and no rollback waits for Prometheus.

`services.loads` writes the rows. Reads, and writes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import proxy.selectors
from canary.domain import reserve
from canary.domain.plan import Plan
from canary.domain.reserve import Arm
from canary.freezes import Hold
from canary.models import Load, Rollout
from proxy.domain.capacity import declared_rps
from proxy.domain.errors import ProxyError
from proxy.domain.tier import Tier

# Older figures say nothing of the present: they are taken each ten seconds.
FRESH = timedelta(seconds=45)
REMEDY = "add endpoints, or declare more capacity_rps if they take more"


@dataclass(frozen=True, slots=True)
class Room:
    """The arms that take the traffic back, and the route's first attempts per second now; None: not known."""

    route: str
    arms: tuple[Arm, ...]
    traffic: float | None

    @property
    def shortage(self) -> str:
        """Why the arms could not take the whole route back; empty where they could, or nobody knows."""
        return "" if self.traffic is None else reserve.shortage(self.arms, self.traffic, self.route)

    @property
    def told(self) -> str:
        """What was checked, in one sentence."""
        return self.shortage or reserve.told(self.arms, self.traffic)

    def stage(self, present: int) -> int:
        """The canary's basis points after the next stage of a return; nothing known is nothing kept."""
        return 0 if self.traffic is None else reserve.stage(self.arms, self.traffic, present)


def of(tier: str, route: str, *, base: Mapping[str, int], canary: str, plan: Plan, now: datetime) -> Room:
    """The reserve of `base`'s arms without the canary. A tier that cannot be read is one nobody knows."""
    try:
        declared = proxy.selectors.desired(tier, now=now)
    except ProxyError:
        return Room(route, (), None)
    names = serving(base, canary, plan)
    found = Load.objects.filter(tier=tier, upstream__in=names, at__gt=now - FRESH)
    loads = {row.upstream: row for row in found}
    return reckoned(declared, route, base=base, canary=canary, plan=plan, loads=loads)


def of_rollout(rollout: Rollout, now: datetime) -> Room:
    """The reserve of a rollout's control, by its plan."""
    plan = Plan.model_validate(rollout.plan)
    return of(
        rollout.tier, rollout.route_name, base=rollout.base, canary=rollout.upstream, plan=plan, now=now
    )


def holding(found: Room) -> Hold | None:
    """What stops steps up where the arms could not take all of it back; None where they could."""
    return Hold(found.shortage, REMEDY) if found.shortage else None


def kept(rollout: Rollout, now: datetime) -> int:
    """The basis points that a canary keeps at first when its traffic is taken back.

    0 where the arms have room for all of it, or where nobody knows; never more than `given`.
    """
    present = given(rollout)
    longest = Plan.model_validate(rollout.plan).capacity.longest_return
    return of_rollout(rollout, now).stage(present) if longest > 0 and present > 0 else 0


def given(rollout: Rollout) -> int:
    """The least that any proxy gives the canary now, in basis points: a push may be obeyed by some of them.

    One that follows another which not all obeyed counts from the least of both.
    """
    push = rollout.push
    obeyed = not push or push.get("acked_at")
    return rollout.weight if obeyed else min(rollout.weight, push["before"])


def return_by(rollout: Rollout, now: datetime) -> str:
    """When a return that begins now is over, as `Rollout.push` holds it."""
    longest = Plan.model_validate(rollout.plan).capacity.longest_return
    return (now + timedelta(seconds=longest)).isoformat()


def serving(base: Mapping[str, int], canary: str, plan: Plan) -> set[str]:
    """Every arm that the route's traffic may be at."""
    return {*base, canary, *([plan.baseline.upstream] if plan.baseline else [])}


def reckoned(
    declared: Tier,
    route: str,
    *,
    base: Mapping[str, int],
    canary: str,
    plan: Plan,
    loads: Mapping[str, Load],
) -> Room:
    """The reserve by a tier's declaration and the fresh loads of the arms, by name."""
    pool = {arm: weight for arm, weight in base.items() if arm != canary and weight > 0}
    trusts = plan.capacity.measured == "hold"
    arms = tuple(
        _arm(declared, route, name, weight / sum(pool.values()), trusts, loads.get(name))
        for name, weight in pool.items()
    )
    firsts = [row.firsts[route] for row in loads.values() if route in row.firsts]
    return Room(route, arms, sum(firsts) if firsts and loads.keys() >= pool.keys() else None)


def _arm(declared: Tier, route: str, name: str, part: float, trusts: bool, load: Load | None) -> Arm:
    others = sum(rate for of, rate in load.attempts.items() if of != route) if load else 0.0
    rps, source, healthy = _capacity(declared, name, trusts, load)
    shown = load.shown_rps * healthy if load and load.shown_rps is not None and healthy is not None else None
    return Arm(name, part, rps, others, _repeats(route, load), healthy, source, shown)


def _repeats(route: str, load: Load | None) -> float:
    """Attempts for each first one: what comes back is retried as often as what is there."""
    firsts = load.firsts.get(route, 0.0) if load else 0.0
    return max(1.0, load.attempts.get(route, 0.0) / firsts) if load and firsts > 0 else 1.0


def _capacity(
    declared: Tier, name: str, trusts: bool, load: Load | None
) -> tuple[float | None, Literal["declared", "measured", "unknown"], int | None]:
    upstream = declared.upstream(name)
    if upstream is None:
        return None, "unknown", None
    seen = load.healthy if load else None
    healthy = len(upstream.endpoints) if seen is None else min(seen, len(upstream.endpoints))
    by_declaration = declared_rps(upstream, healthy)
    if by_declaration is not None:
        return by_declaration, "declared", healthy
    if load is not None and load.shown_rps is not None and trusts:
        return load.shown_rps * healthy, "measured", healthy
    return None, "unknown", healthy
