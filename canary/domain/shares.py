"""A route's split at a step of a rollout: the canary, its baseline if it has one, and the pool of before."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from canary.domain.plan import WHOLE, Plan, weights


def split(
    plan: Plan, base: Mapping[str, int], canary: str, share: int, *, returning: bool = False
) -> dict[str, int]:
    """`share` basis points for the canary and as many for the baseline, the rest as in `base`; 10000 in all.

    Where there is no room for a baseline, as at the whole, it has nothing. It keeps its place in the split at
    any share, so that a change of weights is one of weights only. When traffic is `returning` it has nothing:
    only the pool's room for it was reckoned.
    """
    if plan.baseline is None:
        return weights(base, canary, share)
    beside = share if has_baseline(share) and not returning else 0
    return {**weights(base, canary, share + beside), canary: share, plan.baseline.upstream: beside}


def has_baseline(share: int) -> bool:
    """Whether there is room for a baseline as large as the canary, and something left for stable."""
    return 2 * share < WHOLE


def keeps(order: Sequence[str], splits: Sequence[Mapping[str, int]], canary: str) -> bool:
    """Whether a visitor who is kept by hash and has the canary still has it at each later split.

    The arms share the places in the order of the tier's upstreams: the canary's must only grow. What rounding
    moves by a place an arm is let pass.
    """
    places = []
    for split in splits:
        before = sum(split.get(name, 0) for name in order[: order.index(canary)])
        places.append((before, before + split[canary]))
    slack = len(splits[0])
    return all(
        later[0] <= first[0] + slack and later[1] >= first[1] - slack for first, later in pairwise(places)
    )


def patch(
    plan: Plan,
    route: str,
    canary: str,
    split: Mapping[str, int],
    *,
    asked: bool = True,
    copied: bool = False,
) -> dict[str, Any]:
    """The overlay for a split, with the arms for who asks for the canary unless nobody is to get it so, and
    with copies of requests where they are due.
    """
    found: dict[str, Any] = {"kind": "weights", "route": route, "weights": dict(split)}
    if copied and plan.mirror is not None:
        found["mirror"] = plan.mirror.to(canary).model_dump(mode="json")
    if not asked or not plan.match:
        return found
    matches = (match.model_dump(mode="json", exclude_defaults=True) for match in plan.match)
    return {**found, "arms": [{"upstream": canary, "match": match} for match in matches]}


def control(plan: Plan, base: Mapping[str, int], share: int) -> frozenset[str]:
    """The arms that the canary is compared with at `share`: its baseline, else the whole pool of before."""
    if plan.baseline is not None and has_baseline(share):
        return frozenset({plan.baseline.upstream})
    return frozenset(arm for arm, weight in base.items() if weight > 0)
