"""What is left out of a budget: whose events, and of which spans."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slo.domain.objectives import Objective
from slo.domain.spans import Span, merged

LONGEST = timedelta(days=31)


class BadExclusion(ValueError):
    """A span that cannot be left out: which `field` of it, and what would work."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Scope:
    """A tier, one of its routes, or one objective of it.

    A route's failures stay in the objectives of the whole tier: nobody excludes those by half.
    """

    tier: str
    route: str = ""
    objective: str = ""

    def covers(self, one: Objective) -> bool:
        if self.objective:
            return (one.tier, one.name) == (self.tier, self.objective)
        return one.tier == self.tier and self.route in ("", one.route)

    def __str__(self) -> str:
        if self.objective:
            return f"{self.tier}/objective/{self.objective}"
        return f"{self.tier}/route/{self.route}" if self.route else self.tier


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Spans that are left out of all objectives that the scope covers."""

    scope: Scope
    spans: tuple[Span, ...]


def check(span: Span, *, now: datetime, kept: datetime) -> None:
    """Raises BadExclusion unless the span is over, has a length, and its hours are still kept by the hour."""
    if span.end <= span.start:
        raise BadExclusion("ends_at", "it has to be later than the beginning")
    if span.end > now:
        raise BadExclusion(
            "ends_at", "only what is over can be corrected: declare a maintenance window for what is to come"
        )
    if span.length > LONGEST:
        raise BadExclusion("ends_at", f"a correction spans {LONGEST.days} days at most: split it")
    if span.start < kept:
        raise BadExclusion(
            "starts_at", f"hours are kept since {kept:%Y-%m-%d}; what is older is settled by the day"
        )


def excluded(one: Objective, exclusions: Iterable[Exclusion], within: Span) -> tuple[Span, ...]:
    """The parts of `within` that are left out of the objective, in order."""
    spans = (span for each in exclusions if each.scope.covers(one) for span in each.spans)
    return merged(spans, within)


def running(one: Objective, exclusions: Sequence[Exclusion], at: datetime) -> Span | None:
    """The span that is on at `at`, the one that lasts longest; None when there is none."""
    spans = (span for each in exclusions if each.scope.covers(one) for span in each.spans)
    return max((span for span in spans if span.start <= at < span.end), key=lambda s: s.end, default=None)
