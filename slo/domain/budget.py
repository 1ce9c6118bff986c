"""The error budget over its period, and whose failures spent it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from slo.domain.burn import Counts

Originator = Literal["proxy", "backend", "both", "unknown"]
# From this share of the bad events on, one side is named alone.
MOSTLY = Decimal("0.9")


@dataclass(frozen=True, slots=True)
class Budget:
    """Shares of the budget: `left` is 1 when nothing is spent, 0 at the end, and negative past it."""

    allowed: Decimal
    left: Decimal
    spent_proxy: Decimal
    spent_backend: Decimal
    spent_other: Decimal


def budget(counts: Counts, target: Decimal) -> Budget | None:
    """The budget that these events leave; None without an event.

    Weighted by events: `(1 - target) x total` bad events are allowed, and `bad` of them happened.
    """
    allowed = (1 - target) * counts.total
    if allowed <= 0:
        return None
    return Budget(
        allowed=allowed,
        left=1 - counts.bad / allowed,
        spent_proxy=counts.bad_proxy / allowed,
        spent_backend=counts.bad_backend / allowed,
        spent_other=counts.bad_other / allowed,
    )


def originator(counts: Counts) -> Originator:
    """Who made the bad events: one side alone, or both together, when they made at least nine in ten."""
    if counts.bad <= 0:
        return "unknown"
    if counts.bad_proxy >= MOSTLY * counts.bad:
        return "proxy"
    if counts.bad_backend >= MOSTLY * counts.bad:
        return "backend"
    return "both" if counts.bad_proxy + counts.bad_backend >= MOSTLY * counts.bad else "unknown"
