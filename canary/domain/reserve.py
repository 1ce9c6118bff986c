"""The reserve of the arms that a canary is taken from: whether they can take its traffic back, and how fast.

All weights are basis points and all rates requests per second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

WHOLE = 10_000
SMALLEST_STAGE = 100
"""A return is not cut finer than one percent, unless it ends there: each stage is a push to every proxy."""


class Capacity(BaseModel):
    """What a plan says of the arms' reserve.

    `measured`: whether a rate that was only measured holds steps (`hold`) or is only told (`say`); a lower
    bound proves no shortage. `longest_return`: seconds that a rollback may take its traffic back in stages; 0
    is at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    measured: Literal["say", "hold"] = "say"
    longest_return: float = Field(default=30.0, ge=0, le=300)


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm that had the route before the canary and gets it back.

    `part` is its share of what the canary does not have, 0 to 1. `rps` is what its healthy endpoints take,
    None where nobody knows. `others` is what it serves besides, `repeats` its attempts for each first one.
    `shown` is what they were seen to take, which decides nothing.
    """

    name: str
    part: float
    rps: float | None
    others: float = 0.0
    repeats: float = 1.0
    healthy: int | None = None
    source: Literal["declared", "measured", "unknown"] = "unknown"
    shown: float | None = None

    def needs(self, traffic: float, canary: int) -> float:
        """Its load when `traffic` is the route's and the canary has so many basis points of it."""
        return self.others + traffic * self.repeats * self.part * (WHOLE - canary) / WHOLE


def least_share(arms: Sequence[Arm], traffic: float) -> int:
    """The least that the canary must keep so that no arm gets more than it takes; 0 where all fits.

    It is WHOLE where an arm has no room at all. An arm of unknown capacity bounds nothing.
    """
    least = 0.0
    for arm in arms:
        whole = traffic * arm.repeats * arm.part
        if arm.rps is not None and whole > 0:
            least = max(least, 1 - (arm.rps - arm.others) / whole)
    return ceil(round(WHOLE * min(1.0, least), 6))


def stage(arms: Sequence[Arm], traffic: float, present: int) -> int:
    """The canary's share after the next stage of a return: at most `present`, which stays where it is no use.

    Never less than `least_share`: to the end, or as low as that, and no stage smaller than SMALLEST_STAGE.
    """
    least = least_share(arms, traffic)
    return least if least == 0 or present - least >= SMALLEST_STAGE else present


def shortage(arms: Sequence[Arm], traffic: float, route: str) -> str:
    """Why the arms could not take the whole route back, with the figures; empty where they could."""
    return "; ".join(_short(arm, traffic, route) for arm in arms if least_share([arm], traffic) > 0)


def _short(arm: Arm, traffic: float, route: str) -> str:
    count = "its" if arm.healthy is None else f"{arm.healthy} healthy"
    how = "can take" if arm.source == "declared" else "were seen to take"
    need = arm.needs(traffic, 0)
    besides = f", of which {arm.others:.4g} are other routes'" if arm.others else ""
    return (
        f"{arm.name} could not take {route} back: it would get {need:.4g} requests/s{besides},"
        f" and {count} endpoints {how} {arm.rps:.4g}"
    )


def told(arms: Sequence[Arm], traffic: float | None) -> str:
    """One sentence on the reserve, also where nothing is known of it."""
    if traffic is None:
        return "capacity not checked: the route's present traffic is not known"
    unknown = "; ".join(_unchecked(arm, traffic) for arm in arms if arm.rps is None)
    if unknown:
        return f"capacity not checked: {unknown}"
    rows = (
        f"{arm.name} would get {arm.needs(traffic, 0):.4g} of {arm.rps:.4g} requests/s ({arm.source})"
        for arm in arms
    )
    return "taken back whole, " + "; ".join(rows)


def _unchecked(arm: Arm, traffic: float) -> str:
    if arm.shown is None:
        return f"neither declared (capacity_rps) nor measured for {arm.name}"
    return (
        f"not declared (capacity_rps) for {arm.name}, which was seen to take {arm.shown:.4g} requests/s"
        f" and would get {arm.needs(traffic, 0):.4g}"
    )
