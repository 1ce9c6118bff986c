"""One look at one objective: its events, burns, coverage and alert tiers at one time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

from slo.domain.alerting import Judged, judge_all
from slo.domain.budget import Budget, budget
from slo.domain.burn import (
    NOTHING,
    Counts,
    burn,
    reset,
    spent_when_fired,
    threshold,
    time_to_detect,
)
from slo.domain.forecast import From, forecast, of_whole
from slo.domain.objectives import Objective, rolling
from slo.domain.readings import Readings
from slo.domain.windows import LONG, MIDDLE, SHORT, TIERS, AlertTier, Severity
from telemetry.domain.promql import duration


@dataclass(frozen=True, slots=True)
class Counted:
    """The events of an objective's period so far, what that is of (`30d`, `month`), and how much of the whole
    period was measured (0 to 1).

    `excluded` are those of them that budgets leave out. A calendar's period has a `length`, and `remaining`
    of it is still to come.
    """

    over: str
    counts: Counts | None = None
    coverage: Decimal | None = None
    excluded: Counts = NOTHING
    length: timedelta | None = None
    remaining: timedelta | None = None


Periods = Callable[[Objective], Counted]
"""What the hourly counts know of the period that runs now. Prometheus records windows that roll, and only as
far back as it keeps samples."""
# The counts are up to a minute old and begin at a full hour: below this, Prometheus knows the same and more.
FILLS_IN = timedelta(hours=2)


def uncounted(objective: Objective) -> Counted:
    """Of a period that nobody has counted."""
    return Counted(objective.calendar or duration(objective.period))


@dataclass(frozen=True)
class Look:
    """What was seen. `period` is what the budget is added up over."""

    objective: Objective
    period: Counted
    windows: dict[timedelta, Counts | None]
    coverage: dict[timedelta, Decimal | None]
    burns: dict[timedelta, Decimal | None]
    tiers: tuple[Judged, ...]

    @cached_property
    def counts(self) -> Counts | None:
        """The events of the period that count, as far as they are known."""
        return self.period.counts - self.period.excluded if self.period.counts else None

    @cached_property
    def budget(self) -> Budget | None:
        return budget(self.counts, self.objective.target) if self.counts else None

    @property
    def uncorrected(self) -> Budget | None:
        """The budget if nothing were excluded."""
        return budget(self.period.counts, self.objective.target) if self.period.counts else None

    def leading(self, severity: Severity) -> Judged:
        """The tier that speaks for a severity: the first that fires, else the first."""
        tiers = [judged for judged in self.tiers if judged.tier.severity == severity]
        return next((judged for judged in tiers if judged.verdict == "fires"), tiers[0])

    def events(self, judged: Judged) -> Counts:
        """What happened in the long window of a tier."""
        return self.windows[judged.tier.long] or NOTHING

    @property
    def still(self) -> bool:
        """Whether nothing happened in the shortest window."""
        return self.burns[SHORT[0]] is None

    @property
    def idle(self) -> bool:
        """Whether it is still so that nothing is known of now. That nobody wanted to retry is known, and
        well.
        """
        unwanted = self.objective.kind == "retry_budget" and self.windows[SHORT[0]] is not None
        return self.still and not unwanted

    @property
    def exhausted_in(self) -> timedelta | None:
        """When the budget is gone at the burn of the last hour; None when not within the period.

        What rolls gets back what was spent a whole period ago; a calendar's period begins anew at its end.
        """
        return forecast(self.forecast_from, self.burns[SHORT[-1]])

    @property
    def forecast_from(self) -> From | None:
        """What forecasts of exhaustion start from; None without a budget."""
        left = self.budget
        if left is None:
            return None
        if self.period.length is None or self.period.remaining is None:
            return From(left.left, self.objective.period, self.objective.period)
        coverage = self.period.coverage or Decimal(0)
        return From(of_whole(left.left, coverage), self.period.length, self.period.remaining)


def look(objective: Objective, readings: Readings, *, periods: Periods = uncounted) -> Look:
    """See `objective` in what was read, and its period in what was counted where that knows more."""
    spans = sorted({*SHORT, *MIDDLE, *LONG, *rolling(objective)})
    windows = {span: readings.counts(objective, span) for span in spans}
    coverage = {span: readings.covered(objective.tier, span) for span in spans}
    tiers = judge_all(
        TIERS,
        target=objective.target,
        period=objective.period,
        counts=windows.get,
        coverage=coverage.get,
    )
    return Look(
        objective=objective,
        period=_period(objective, periods(objective), windows, coverage),
        windows=windows,
        coverage=coverage,
        burns={span: burn(c, objective.target) if c else None for span, c in windows.items()},
        tiers=tuple(tiers),
    )


def _period(
    objective: Objective,
    counted: Counted,
    windows: Mapping[timedelta, Counts | None],
    coverage: Mapping[timedelta, Decimal | None],
) -> Counted:
    """A calendar's period as it was counted; one that rolls as Prometheus has it, unless it is younger than
    the counts are. What is excluded is known to the counts alone.
    """
    if objective.calendar:
        return counted
    rolled = _rolled(objective.period, windows, coverage)
    more = (counted.coverage or 0) - (rolled.coverage or 0)
    if counted.counts and more > share(FILLS_IN, objective.period):
        return counted
    return replace(rolled, excluded=counted.excluded)


def _rolled(
    period: timedelta,
    windows: Mapping[timedelta, Counts | None],
    coverage: Mapping[timedelta, Decimal | None],
) -> Counted:
    """The period is added up each 5 minutes. While the history is younger than a shorter window, that one
    holds all of it and is fresher: the window with the most events is the one that knows most.

    In a period's first five minutes only shorter windows know how much of it was measured.
    """
    known = max((span for span in windows if span <= period), key=lambda span: (_total(windows[span]), span))
    shares = [part * share(span, period) for span, part in coverage.items() if part is not None]
    covered = coverage.get(period) or max(shares, default=None)
    return Counted(duration(known), windows[known], covered)


def _total(counts: Counts | None) -> Decimal:
    return counts.total if counts else Decimal(0)


def share(span: timedelta, period: timedelta) -> Decimal:
    """How much of `period` the span is, exactly."""
    return Decimal(str(span / period))


def window_facts(seen: Look) -> list[dict[str, Any]]:
    """The windows as JSON values, shortest first."""
    return [
        {
            "window": duration(span),
            "burn": plain(seen.burns[span]),
            "total": plain(counts.total if counts else None),
            "bad_proxy": plain(counts.bad_proxy if counts else None),
            "bad_backend": plain(counts.bad_backend if counts else None),
            "bad_other": plain(counts.bad_other if counts else None),
            "coverage": plain(seen.coverage[span]),
        }
        for span, counts in seen.windows.items()
    ]


def tier_facts(seen: Look) -> list[dict[str, Any]]:
    """The alert tiers as JSON values. A total outage burns at `1 / (1 - target)`."""
    one = seen.objective
    return [
        {
            **_declared(judged.tier, one.target, one.period),
            "long_burn": plain(judged.long_burn),
            "short_burn": plain(judged.short_burn),
            "verdict": judged.verdict,
            "why": judged.why,
        }
        for judged in seen.tiers
    ]


@lru_cache
def _declared(tier: AlertTier, target: Decimal, period: timedelta) -> dict[str, Any]:
    """What the objectives of one promise have in common, however many they are."""
    outage, factor = 1 / (1 - target), tier.factor(period)
    return {
        "name": tier.name,
        "severity": tier.severity,
        "long": duration(tier.long),
        "short": duration(tier.short),
        "factor": plain(factor),
        "threshold": plain(threshold(factor, target)),
        "spends": plain(spent_when_fired(factor, tier.long, period)),
        "outage_after_s": time_to_detect(factor, tier.long, outage).total_seconds(),
        "over_after_s": reset(factor, tier.short, outage).total_seconds(),
    }


def plain(value: Decimal | None) -> float | None:
    """A decimal for a row or JSON."""
    return None if value is None else float(value)
