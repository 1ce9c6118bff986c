"""Whether an objective burns badly enough to tell somebody. Decides; asks nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from slo.domain.burn import Counts, burn, can_fire, threshold
from slo.domain.windows import AlertTier

# A young window is mostly its newest minutes: with 7 h of history a 3 d tier fired 30 s into an outage.
MIN_COVERAGE = Decimal("0.5")
# At 60 requests an hour and 99.9 %, a single failure passes 14.4: 21 false pages a month. So the window has
# to be busy enough that ten failures are not yet a page.
MIN_EXPECTED = 10
# What fired has to fall clearly below before it is called over.
CLEARS_BELOW = Decimal("0.8")

Verdict = Literal["fires", "between", "clear", "off", "unknown"]


@dataclass(frozen=True, slots=True)
class Judged:
    """One tier's look at one objective. `why` says what keeps it from firing, when something does."""

    tier: AlertTier
    factor: Decimal
    long_burn: Decimal | None
    short_burn: Decimal | None
    verdict: Verdict
    why: str = ""


def judge(
    tier: AlertTier,
    *,
    target: Decimal,
    period: timedelta,
    long: Counts | None,
    short: Counts | None,
    coverage: Decimal | None,
) -> Judged:
    """One tier's verdict. `coverage` (0 to 1) is of the long window.

    `unknown` without an event to compare, `clear` when it is well below its factor, `off` when it is not but
    a guard says that the tier does not count, `between` when it neither fires nor is over.
    """
    factor = tier.factor(period)
    why = _guard(factor, target=target, long=long, coverage=coverage)
    burns = [burn(counts, target) if counts else None for counts in (long, short)]
    return Judged(tier, factor, burns[0], burns[1], _verdict(burns, factor, guarded=bool(why)), why)


def _verdict(burns: Sequence[Decimal | None], factor: Decimal, *, guarded: bool) -> Verdict:
    known = [value for value in burns if value is not None]
    if len(known) < len(burns):
        return "unknown"
    if min(known) < CLEARS_BELOW * factor:
        return "clear"
    if guarded:
        return "off"
    return "fires" if min(known) > factor else "between"


def _guard(factor: Decimal, *, target: Decimal, long: Counts | None, coverage: Decimal | None) -> str:
    """Why the tier cannot fire now; empty when it can."""
    if not can_fire(factor, target):
        return "even an outage cannot burn that fast"
    if coverage is None or coverage < MIN_COVERAGE:
        return f"{coverage or 0:.0%} of its long window is covered, {MIN_COVERAGE:.0%} are needed"
    if long is None or long.total * threshold(factor, target) < MIN_EXPECTED:
        return f"{long.total if long else 0:.0f} requests in its long window are too few"
    return ""


Decision = Literal["fire", "hold", "clear"]


def decide(tiers: Sequence[Judged]) -> Decision:
    """All tiers of one severity together: any may fire; all that count must be over to clear.

    What is unknown holds: no data never ends an alert. A tier that is off neither fires nor holds.
    """
    verdicts = [judged.verdict for judged in tiers]
    if "fires" in verdicts:
        return "fire"
    counted = [verdict for verdict in verdicts if verdict != "off"]
    return "clear" if counted and all(verdict == "clear" for verdict in counted) else "hold"


def judge_all(
    tiers: Sequence[AlertTier],
    *,
    target: Decimal,
    period: timedelta,
    counts: Callable[[timedelta], Counts | None],
    coverage: Callable[[timedelta], Decimal | None],
) -> list[Judged]:
    """Each tier's look, with the counts and the coverage of its windows."""
    return [
        judge(
            tier,
            target=target,
            period=period,
            long=counts(tier.long),
            short=counts(tier.short),
            coverage=coverage(tier.long),
        )
        for tier in tiers
    ]
