"""What people are told of an objective: a page, a ticket or nothing. A page inhibits its tickets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from slo.domain.alerting import Decision, Judged, decide
from slo.domain.budget import Originator
from slo.domain.objectives import Kind, Objective
from slo.domain.windows import Severity

Told = Literal["", "page", "ticket"]

_FAILING: tuple[Kind, ...] = (
    "proxy_availability", "route_availability", "backend_availability", "first_attempts", "retries",
    "retry_budget",
)  # fmt: skip
_SLOW: tuple[Kind, ...] = ("added_latency", "total_latency", "backend_latency")


@dataclass(frozen=True, slots=True)
class Before:
    """What the tick before this told, and when a page was last told."""

    told: Told = ""
    paged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a whole tier: its objective, and whose failures spend the budget."""

    objective: Objective
    originator: Originator

    def explains(self, other: Objective, originator: Originator) -> bool:
        """Whether the other, of a part of the tier, burns for the same cause: it counts the same sort of
        thing, and nothing says that it is somebody else's failure.
        """
        apart = {self.originator, originator} == {"proxy", "backend"}
        return (
            other.tier == self.objective.tier
            and _sort(other.kind) == _sort(self.objective.kind)
            and not apart
        )


def _sort(kind: Kind) -> str:
    return "failing" if kind in _FAILING else "slow" if kind in _SLOW else kind


def tells(
    objective: Objective, tiers: Sequence[Judged], before: Before, *, quiet: bool, now: datetime
) -> tuple[Told, bool]:
    """What is told now, and whether this tick's figures are said with it.

    While `quiet` nothing new is told. What holds, without data or between its thresholds, stays as it was.
    An objective of severity ticket never pages. A ticket is no news while a page of the same objective
    fires, nor as long after it as the ticket's short window still holds what paged.
    """
    paged = decision(objective, tiers, "page")
    if paged == "fire" and (before.told == "page" or not quiet):
        return "page", True
    if before.told == "page" and paged == "hold":
        return "page", False
    known = before.told == "ticket"
    ticketed = decide(tickets(tiers) if known else _news(tickets(tiers), before, now))
    if ticketed == "fire" and (known or not quiet):
        return "ticket", True
    return ("ticket", False) if known and ticketed == "hold" else ("", False)


def decision(objective: Objective, tiers: Sequence[Judged], severity: Severity) -> Decision:
    """What the tiers of one severity together say; `clear` where the objective has none of them."""
    if severity == "page" and objective.severity != "page":
        return "clear"
    return decide([judged for judged in tiers if judged.tier.severity == severity])


def tickets(tiers: Sequence[Judged]) -> list[Judged]:
    return [judged for judged in tiers if judged.tier.severity == "ticket"]


def _news(tiers: Sequence[Judged], before: Before, now: datetime) -> list[Judged]:
    """The tiers whose short window holds nothing that was paged."""
    return [
        judged for judged in tiers if before.paged_at is None or now - before.paged_at >= judged.tier.short
    ]
