"""Burn: how many times faster than allowed an error budget is spent. Exact decimals throughout.

With `target` the objective as a share of good events, the budget is `1 - target` of all events, and a
burn of 1 spends it in exactly one period.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from slo.domain.windows import seconds

FORESEEN = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Counts:
    """Events of one window: all of them, and the bad ones by who made them."""

    total: Decimal
    bad_proxy: Decimal = Decimal(0)
    bad_backend: Decimal = Decimal(0)
    bad_other: Decimal = Decimal(0)

    @property
    def bad(self) -> Decimal:
        return self.bad_proxy + self.bad_backend + self.bad_other

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(ours + theirs for ours, theirs in zip(self._parts, other._parts, strict=True)))

    def __sub__(self, other: "Counts") -> "Counts":
        """What is left without `other`: never less than nothing, for sums of other times may be finer."""
        pairs = zip(self._parts, other._parts, strict=True)
        return Counts(*(max(ours - theirs, Decimal(0)) for ours, theirs in pairs))

    def __mul__(self, share: Decimal) -> "Counts":
        return Counts(*(part * share for part in self._parts))

    @property
    def _parts(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        return self.total, self.bad_proxy, self.bad_backend, self.bad_other


NOTHING = Counts(Decimal(0))


def burn(counts: Counts, target: Decimal) -> Decimal | None:
    """`(bad / total) / (1 - target)`; None without an event. Divided once, so windows weigh by events."""
    if counts.total <= 0:
        return None
    return counts.bad / counts.total / (1 - target)


def threshold(factor: Decimal, target: Decimal) -> Decimal:
    """The ratio of bad events above which `factor` is passed."""
    return factor * (1 - target)


def spent_when_fired(factor: Decimal, long: timedelta, period: timedelta) -> Decimal:
    """The share of the budget that is gone when a tier fires."""
    return factor * seconds(long) / seconds(period)


def time_to_detect(factor: Decimal, long: timedelta, burning: Decimal) -> timedelta:
    """How long a steady burn takes to fill the long window up to its threshold."""
    return timedelta(seconds=float(factor * seconds(long) / burning))


def reset(factor: Decimal, short: timedelta, burning: Decimal) -> timedelta:
    """How long after the end of a steady burn the short window is below its threshold again."""
    return timedelta(seconds=float(seconds(short) * (1 - factor / burning)))


def exhaustion(left: Decimal, period: timedelta, burning: Decimal | None) -> timedelta | None:
    """When the budget is gone at this burn: `period x left / burn`. None when it does not burn, or for longer
    than anybody plans: what floats leave over of `total - good` burns at 1e-13, and its end is no date.
    """
    if not burning or burning <= 0:
        return None
    after = seconds(period) * max(left, Decimal(0)) / burning
    return timedelta(seconds=float(after)) if after <= seconds(FORESEEN) else None


def can_fire(factor: Decimal, target: Decimal) -> bool:
    """A tier is reachable only if its threshold is a ratio below 1: `target > 1 - 1 / factor`."""
    return threshold(factor, target) < 1
