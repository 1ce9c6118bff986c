"""When a budget will be gone, at the burns of the recent past."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from slo.domain.burn import exhaustion

RECENT = (timedelta(hours=1), timedelta(hours=6), timedelta(days=3))
"""The burns that a forecast's range is made of: what happens now, lately, and as a rule."""


@dataclass(frozen=True, slots=True)
class From:
    """Where a forecast starts: the share of the whole period's budget that is `left`, the period's `length`,
    and how much of it is still `ahead`.
    """

    left: Decimal
    length: timedelta
    ahead: timedelta


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the budget is gone: by the fastest and the slowest of the recent burns, and by each.

    None: not within the period.
    """

    soonest: timedelta | None
    latest: timedelta | None
    by_burn: Mapping[timedelta, timedelta | None]


def of_whole(left: Decimal, coverage: Decimal) -> Decimal:
    """What is left of a calendar period's whole budget, if the rest of it has as many events as what was
    measured. What is spent is spent: never more than nothing once the budget so far is gone.

    With 40 % left after a third of the month, `1 - 0.6 / 3`: 80 % of the month's budget.
    """
    return 1 - (1 - left) * min(coverage, Decimal(1)) if left > 0 else Decimal(0)


def forecast(start: From | None, burning: Decimal | None) -> timedelta | None:
    """When the budget is gone at one burn; None when not in what is ahead."""
    if start is None:
        return None
    gone = exhaustion(start.left, start.length, burning)
    return gone if gone is not None and gone <= start.ahead else None


def forecasts(start: From | None, burns: Mapping[timedelta, Decimal | None]) -> Forecast | None:
    """The range that the recent burns give; None where none of them is known, or no budget.

    `latest` is None as soon as one of the burns would not spend it all.
    """
    known = {span: burns[span] for span in RECENT if burns.get(span) is not None}
    if start is None or not known:
        return None
    by_burn = {span: forecast(start, burning) for span, burning in known.items()}
    gone = [each for each in by_burn.values() if each is not None]
    return Forecast(
        soonest=min(gone, default=None),
        latest=max(gone) if len(gone) == len(by_burn) else None,
        by_burn=by_burn,
    )
