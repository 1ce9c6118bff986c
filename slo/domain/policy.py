"""What a tier's budget policy demands when little of an error budget is left."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from proxy.domain.tier import BudgetPolicy
from slo.domain.wording import percent

Demand = Literal["nothing", "tell", "approve", "freeze"]
STRICTEST_FIRST: tuple[Demand, ...] = ("freeze", "approve", "tell")


@dataclass(frozen=True, slots=True)
class Standing:
    """An objective's budget: the share that is left, and the share of its period that was measured."""

    objective: str
    left: Decimal
    coverage: Decimal

    @property
    def certain(self) -> Decimal:
        """What is left even if the part of the period that was not measured was good.

        A tier that is an hour old has spent nothing of its month yet, however bad the hour was.
        """
        return 1 - (1 - self.left) * min(self.coverage, Decimal(1))


@dataclass(frozen=True, slots=True)
class Demanded:
    """What is demanded, and of which objective's budget; nothing where no budget is low."""

    demand: Demand = "nothing"
    objective: str = ""
    why: str = ""


def demanded(policy: BudgetPolicy, standings: Iterable[Standing]) -> Demanded:
    """The strictest demand of all budgets, by the one that has least left."""
    least = min(standings, key=lambda one: one.certain, default=None)
    if least is None:
        return Demanded()
    for demand in STRICTEST_FIRST:
        bound = getattr(policy, demand)
        if bound is not None and 100 * least.certain <= Decimal(str(bound)):
            return Demanded(demand, least.objective, _why(least, bound))
    return Demanded()


def _why(least: Standing, bound: float) -> str:
    left = "nothing" if least.certain <= 0 else percent(least.certain)
    return (
        f"{left} of the error budget of {least.objective} is left, and the tier's policy acts at {bound:g} %"
    )
