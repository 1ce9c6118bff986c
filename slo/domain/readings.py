"""What the recorded series said at one time, and how an objective counts its events in them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from slo.domain import rules
from slo.domain.burn import Counts
from slo.domain.objectives import Objective
from telemetry.domain.promql import duration, edge, equal, matching, moment, selector, unequal
from telemetry.domain.series import Sample

# Long windows are recorded each 5 minutes, on the edge of Prometheus' own lookback.
RECORDED_WITHIN = timedelta(minutes=11)
# How far back the last good scrape is looked for, to say since when there is no data.
SCRAPED_WITHIN = timedelta(hours=6)
# Beyond this the last scrape is no longer "now": the rates over a minute are empty by then.
STALE_AFTER = timedelta(seconds=60)
INFINITY = float("inf")

Where = tuple[str, str, str]  # tier, route ("" for all of it), window


@dataclass(frozen=True, slots=True)
class Queries:
    """The PromQL of one tick: five queries, whatever the number of objectives."""

    requests: str
    errors: str
    added: str
    coverage: str
    scraped: str


def queries(objectives: Iterable[Objective]) -> Queries:
    """What to ask for these objectives. Of the histogram, only the edges that a threshold needs."""
    edges = sorted({o.threshold_us for o in objectives if o.threshold_us is not None})
    spelt = "|".join([*(rf"{e}(\.0)?" for e in edges), r"\+Inf"])
    return Queries(
        requests=_recently(f"{rules.REQUESTS}:count"),
        errors=_recently(f"{rules.ERRORS}:count"),
        added=_recently(selector(f"{rules.ADDED}:count", matching("le", spelt))),
        coverage=_recently(rules.COVERAGE),
        scraped=f"last_over_time({rules.SCRAPED}[{duration(SCRAPED_WITHIN)}])",
    )


def _recently(recorded: str) -> str:
    return f"last_over_time({recorded}[{duration(RECORDED_WITHIN)}])"


@dataclass(frozen=True, slots=True)
class Readings:
    """Events by where they happened; a key that is absent is no data."""

    requests: Mapping[Where, Decimal] = field(default_factory=dict)
    errors: Mapping[tuple[Where, str], Decimal] = field(default_factory=dict)
    added: Mapping[tuple[Where, float], Decimal] = field(default_factory=dict)
    coverage: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    scraped: Mapping[str, datetime] = field(default_factory=dict)

    def counts(self, objective: Objective, window: timedelta) -> Counts | None:
        """The events of `objective` in `window`; None where nothing was recorded."""
        where = (objective.tier, objective.route, duration(window))
        if objective.kind == "added_latency":
            return self._slow(where, objective.threshold_us or 0)
        total = self.requests.get(where)
        if total is None:
            return None
        proxy = self.errors.get((where, "proxy"), Decimal(0))
        backend = self.errors.get((where, "backend"), Decimal(0))
        if objective.kind == "proxy_availability":
            # What a backend answered, however bad, is not the proxy's failure.
            return Counts(total=total, bad_proxy=proxy)
        return Counts(total=total, bad_proxy=proxy, bad_backend=backend)

    def _slow(self, where: Where, threshold_us: int) -> Counts | None:
        total = self.added.get((where, INFINITY))
        good = self.added.get((where, float(threshold_us)))
        if total is None or good is None:
            return None
        return Counts(total=total, bad_proxy=max(total - good, Decimal(0)))

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
    requests: Iterable[Sample],
    errors: Iterable[Sample],
    added: Iterable[Sample],
    coverage: Iterable[Sample],
    scraped: Iterable[Sample],
) -> Readings:
    """Readings from the answers to `queries`; a tier is the sum of its routes."""
    by_requests: dict[Where, Decimal] = defaultdict(Decimal)
    by_errors: dict[tuple[Where, str], Decimal] = defaultdict(Decimal)
    by_added: dict[tuple[Where, float], Decimal] = defaultdict(Decimal)
    for sample in requests:
        for where in _places(sample):
            by_requests[where] += _exact(sample)
    for sample in errors:
        for where in _places(sample):
            by_errors[where, sample.labels.get("originator", "")] += _exact(sample)
    for sample in added:
        for where in _places(sample):
            by_added[where, edge(sample.labels["le"])] += _exact(sample)
    return Readings(
        requests=dict(by_requests),
        errors=dict(by_errors),
        added=dict(by_added),
        coverage={(s.labels["tier"], s.labels["window"]): _exact(s) for s in coverage},
        scraped={s.labels["tier"]: moment(s.value) for s in scraped},
    )


def _places(sample: Sample) -> tuple[Where, Where]:
    labels = sample.labels
    return (
        (labels["tier"], labels["route"], labels["window"]),
        (labels["tier"], "", labels["window"]),
    )


def _exact(sample: Sample) -> Decimal:
    # The shortest decimal that is this float: what Prometheus prints, not its binary tail.
    return Decimal(repr(sample.value)) if sample.value == sample.value else Decimal(0)


def burn_promql(objective: Objective, window: timedelta) -> str:
    """The burn over `window` as a person can paste it into Prometheus."""
    where = [equal("tier", objective.tier), equal("window", duration(window))]
    if objective.route:
        where.append(equal("route", objective.route))
    allowed = f"{objective.allowed.normalize():f}"
    if objective.kind == "added_latency":
        total = f"sum({selector(f'{rules.ADDED}:count', *where, equal('le', '+Inf'))})"
        spelt = rf"{objective.threshold_us}(\.0)?"
        good = f"sum({selector(f'{rules.ADDED}:count', *where, matching('le', spelt))})"
        return f"(1 - {good} / {total}) / {allowed}"
    made = [unequal("originator", "backend")] if objective.kind == "proxy_availability" else []
    bad = f"sum({selector(f'{rules.ERRORS}:count', *where, *made)})"
    total = f"sum({selector(f'{rules.REQUESTS}:count', *where)})"
    return f"{bad} / {total} / {allowed}"
