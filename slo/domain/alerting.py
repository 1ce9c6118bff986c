"""Whether an objective burns badly enough to tell somebody. Decides; asks nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from slo.domain.burn import Counts, burn, can_fire, threshold
from slo.domain.windows import AlertTier

# A young window is mostly its newest minutes: with 7 h of history a 3 d tier fired 30 s into an outage. Below
# this, what was not measured counts as good.
MIN_COVERAGE = Decimal("0.5")
# At 60 requests an hour and 99.9 %, a single failure passes 14.4: 21 false pages a month. So the window has
# to be busy enough that ten failures are not yet a page.
MIN_EXPECTED = 10
# What fired has to fall clearly below before it is called over.
CLEARS_BELOW = Decimal("0.8")

Verdict = Literal["fires", "between", "clear", "off", "too_young", "unknown"]


@dataclass(frozen=True, slots=True)
class Judged:
    """One tier's look at one objective. `why` says what keeps it from firing, or what that stands on.

    `over`: what was measured burns well below the factor, however little that is.
    """

    tier: AlertTier
    factor: Decimal
    long_burn: Decimal | None
    short_burn: Decimal | None
    verdict: Verdict
    why: str = ""
    over: bool = False


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
    a guard says that the tier does not count, `between` when it neither fires nor is over. While less than
    half of the long window is covered, the rest of it counts as good: its burn times the coverage is the
    least that the whole window can burn. It `fires` when even that passes, and is `too_young` otherwise.
    """
    factor = tier.factor(period)
    burns = [burn(counts, target) if counts else None for counts in (long, short)]
    known = [value for value in burns if value is not None]
    seen = Judged(tier, factor, burns[0], burns[1], "unknown")
    if len(known) < len(burns):
        return seen
    seen = replace(seen, over=min(known) < CLEARS_BELOW * factor)
    guarded = _guard(factor, target=target, long=long, coverage=coverage)
    if coverage is None or coverage < MIN_COVERAGE:
        verdict, why = _young(known, factor, coverage or Decimal(0), guarded)
    else:
        verdict, why = _grown(known, factor, guarded, over=seen.over), guarded
    return replace(seen, verdict=verdict, why=why)


def _grown(burns: Sequence[Decimal], factor: Decimal, guarded: str, *, over: bool) -> Verdict:
    """The verdict where enough of the long window is covered."""
    if over:
        return "clear"
    if guarded:
        return "off"
    return "fires" if min(burns) > factor else "between"


def _young(burns: Sequence[Decimal], factor: Decimal, coverage: Decimal, guarded: str) -> tuple[Verdict, str]:
    """The verdict and why, where less than half of the long window is covered."""
    long, short = burns
    least = long * coverage
    said = f"{coverage:.1%} of its long window is covered; with the rest good it burns {least:.1f}x"
    if guarded:
        return "too_young", f"{said}; {guarded}"
    return "fires" if min(least, short) > factor else "too_young", said


def _guard(factor: Decimal, *, target: Decimal, long: Counts | None, coverage: Decimal | None) -> str:
    """Why the tier cannot fire now; empty when it can."""
    if not can_fire(factor, target):
        return "even an outage cannot burn that fast"
    total = long.total if long else Decimal(0)
    # A young window is as busy as it would be with its rest at the same rate.
    whole = total / coverage if coverage and coverage < MIN_COVERAGE else total
    if whole * threshold(factor, target) < MIN_EXPECTED:
        return f"{total:.0f} requests in its long window are too few"
    return ""


Decision = Literal["fire", "hold", "clear"]


def decide(tiers: Sequence[Judged]) -> Decision:
    """All tiers of one severity together: any may fire; all that count must be over to clear.

    What is unknown holds: no data never ends an alert. A tier that is off neither fires nor holds, and so
    does one that is too young, unless what it measured is over.
    """
    if any(judged.verdict == "fires" for judged in tiers):
        return "fire"
    counted = [
        judged.verdict == "clear" or judged.over
        for judged in tiers
        if judged.verdict != "off" and (judged.verdict != "too_young" or judged.over)
    ]
    return "clear" if counted and all(counted) else "hold"


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
