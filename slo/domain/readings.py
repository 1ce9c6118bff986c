"""What the recorded series said at one time, and how an objective counts its events in them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from slo.domain.alert_rules import COVERAGE, LAST_SCRAPE, SCRAPED
from slo.domain.burn import Counts
from slo.domain.indicators import BAD, EVENTS, MAKERS, sli
from slo.domain.objectives import Objective
from telemetry.domain.promql import duration, equal, matching, moment, selector
from telemetry.domain.series import Sample

# Long windows are recorded each 5 minutes, on the edge of Prometheus' own lookback.
RECORDED_WITHIN = timedelta(minutes=11)
# How far back the last good scrape is looked for, to say since when there is no data. What is recorded of it
# may be half a minute older than the newest.
SCRAPED_WITHIN = timedelta(hours=6)
# Three evaluations: past that the rules stand still, and what they recorded last is old, whatever is scraped.
EVALUATED_WITHIN = timedelta(seconds=90)
# Beyond this the last scrape is no longer "now": the rates over a minute are empty by then.
STALE_AFTER = timedelta(seconds=60)

Where = tuple[str, str, str, str, str]
"""The indicator, tier, route, upstream ("" where it is of no one) and window of some events."""


@dataclass(frozen=True, slots=True)
class Queries:
    """The PromQL of one tick: four queries, whatever the number of objectives."""

    events: str
    bad: str
    coverage: str
    scraped: str


QUERIES = Queries(
    events=f"last_over_time({EVENTS}:count[{duration(RECORDED_WITHIN)}])",
    bad=f"last_over_time({BAD}:count[{duration(RECORDED_WITHIN)}])",
    coverage=f"last_over_time({COVERAGE}[{duration(RECORDED_WITHIN)}])",
    scraped=(
        f"({LAST_SCRAPE}) and last_over_time({SCRAPED}[{duration(EVALUATED_WITHIN)}])"
        f" or last_over_time({SCRAPED}[{duration(SCRAPED_WITHIN)}])"
    ),
)


@dataclass(frozen=True, slots=True)
class Readings:
    """Events by where they happened; a key that is absent is no data."""

    events: Mapping[Where, Decimal] = field(default_factory=dict)
    bad: Mapping[tuple[Where, str], Decimal] = field(default_factory=dict)
    coverage: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    scraped: Mapping[str, datetime] = field(default_factory=dict)

    def counts(self, objective: Objective, window: timedelta) -> Counts | None:
        """The events of `objective` in `window`; None where nothing was recorded."""
        of = (sli(objective), objective.tier, objective.route, objective.upstream)
        where = (*of, duration(window))
        total = self.events.get(where)
        if total is None:
            return None
        proxy, backend, other = (self.bad.get((where, made), Decimal(0)) for made in MAKERS)
        return Counts(total=total, bad_proxy=proxy, bad_backend=backend, bad_other=other)

    def covered(self, tier: str, window: timedelta) -> Decimal | None:
        """The share of `window` in which the tier was scraped, 0 to 1."""
        found = self.coverage.get((tier, duration(window)))
        return None if found is None else min(found, Decimal(1))

    def stale_since(self, tier: str, now: datetime) -> tuple[bool, datetime | None]:
        """Whether there is no data now, and the last time that there was; None for never in 6 hours."""
        last = self.scraped.get(tier)
        return last is None or now - last > STALE_AFTER, last


def read(
    *,
    events: Iterable[Sample],
    bad: Iterable[Sample],
    coverage: Iterable[Sample],
    scraped: Iterable[Sample],
) -> Readings:
    """Readings from the answers to `QUERIES`."""
    return Readings(
        events={_where(sample): _exact(sample) for sample in events},
        bad={(_where(sample), sample.labels.get("originator", "")): _exact(sample) for sample in bad},
        coverage={(s.labels["tier"], s.labels["window"]): _exact(s) for s in coverage},
        scraped={s.labels["tier"]: moment(s.value) for s in scraped},
    )


def _where(sample: Sample) -> Where:
    # Of tens of thousands of samples each tick: spelt out, it takes half of the time.
    known = sample.labels.get
    return known("sli", ""), known("tier", ""), known("route", ""), known("upstream", ""), known("window", "")


def _exact(sample: Sample) -> Decimal:
    # The shortest decimal that is this float: what Prometheus prints, not its binary tail.
    return Decimal(repr(sample.value)) if sample.value == sample.value else Decimal(0)


def burn_promql(objective: Objective, window: timedelta) -> str:
    """The burn over `window` as a person can paste it into Prometheus."""
    where = [
        equal("sli", sli(objective)),
        equal("tier", objective.tier),
        equal("route", objective.route),
        equal("upstream", objective.upstream),
        equal("window", duration(window)),
    ]
    bad, events = (f"sum({selector(f'{family}:count', *where)})" for family in (BAD, EVENTS))
    return f"{bad} / {events} / {objective.allowed.normalize():f}"


def burns_promql(objective: Objective, windows: Iterable[str]) -> str:
    """The burns over several windows, by window: one query for a chart of them."""
    where = [
        equal("sli", sli(objective)),
        equal("tier", objective.tier),
        equal("route", objective.route),
        equal("upstream", objective.upstream),
        matching("window", "|".join(windows)),
    ]
    bad, events = (f"sum by (window) ({selector(f'{family}:count', *where)})" for family in (BAD, EVENTS))
    return f"{bad} / {events} / {objective.allowed.normalize():f}"
