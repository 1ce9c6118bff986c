"""Added latency that creeps up: more than it usually is at this hour, though no threshold is passed yet.

    usual = median of the p99 at this hour on the seven days of a week
    bound = usual + max(25 % of usual, 0.1 ms, 4 x 1.4826 x median |p99 - usual|)

It creeps when the p99 of the last hour and the median of the p99 of the last six hours are both above their
bounds, so a burst of an hour or two is none; against the week before or against that of three weeks ago: a
rise of 2 % a day takes the week before along, and not the other. 1.4826 x the median deviation is a standard
deviation that one bad day in seven does not move.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Literal

from telemetry.domain import catalogue
from telemetry.domain.promql import duration, selector, unequal
from telemetry.domain.series import Sample

BUCKETS, P99, REQUESTS = "sluice:added_us:rate1m", "sluice:added_us:p99", "sluice:added_us:count"
HOUR, HOURS = WINDOWS = (timedelta(hours=1), timedelta(hours=6))
WEEK_BEFORE, THREE_WEEKS_AGO = tuple(range(1, 8)), tuple(range(21, 28))
BASELINES: Mapping[str, Sequence[int]] = {"the week before": WEEK_BEFORE, "three weeks ago": THREE_WEEKS_AGO}
# Recorded each 5 minutes, on the edge of Prometheus' own lookback.
RECORDED_WITHIN = timedelta(minutes=11)

AT_LEAST_SHARE, AT_LEAST_US, DEVIATIONS = 0.25, 100.0, 4 * 1.4826
DAYS_KNOWN = 4
# A hundred requests above the p99 in the hour, so that the p99 is one of many.
BUSY = 10_000
# What fired has to fall clearly below before it is called over.
CLEARS_BELOW = 0.8

Verdict = Literal["creeps", "between", "clear", "unknown"]


@dataclass(frozen=True, slots=True)
class Queries:
    """The PromQL of one look: three queries, whatever the number of tiers."""

    now: str
    requests: str
    before: str


def _queries() -> Queries:
    within = f"[{duration(RECORDED_WITHIN)}]"
    days = (day for baseline in BASELINES.values() for day in baseline)
    return Queries(
        now=f"last_over_time({P99}{within})",
        requests=f"last_over_time({REQUESTS}{within})",
        before=" or ".join(
            f'label_replace(last_over_time({P99}{within} offset {day}d), "day", "{day}", "", "")'
            for day in days
        ),
    )


QUERIES = _queries()


@dataclass(frozen=True, slots=True)
class Usual:
    """A window now, and what it usually is at this hour: microseconds, and of how many days."""

    window: timedelta
    now: float
    usual: float
    bound: float
    days: int

    @property
    def share(self) -> float:
        """How much of the way from the usual to the bound: above 1 it creeps."""
        return (self.now - self.usual) / (self.bound - self.usual)


@dataclass(frozen=True, slots=True)
class Creep:
    """One tier's added latency against its past. `against` and `windows` are of the week that says most."""

    tier: str
    verdict: Verdict
    against: str = ""
    windows: tuple[Usual, ...] = ()


@dataclass(frozen=True, slots=True)
class Past:
    """The p99 of one tier in microseconds, by window, now and by how many days ago."""

    now: Mapping[timedelta, float]
    before: Mapping[tuple[timedelta, int], float]
    requests: float


def rules() -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """(name, PromQL, labels) of what is recorded each 5 minutes, in their order.

    Of each tier as a whole, and one minute in five: every bucket of every route is read for it.
    """
    counter = selector(catalogue.ADDED, unequal("route", ""), attempts="1")
    hour, hours = (duration(window - timedelta(seconds=1)) for window in WINDOWS)
    yield BUCKETS, f"sum by (tier, le) (rate({counter}[1m]))", {}
    counts = f"sum by (tier, le) (sum_over_time({BUCKETS}[{hour}]))"
    yield P99, f"histogram_quantile(0.99, {counts})", {"window": duration(HOUR)}
    hourly = f"{selector(P99, window=duration(HOUR))}[{hours}]"
    yield P99, f"quantile_over_time(0.5, {hourly})", {"window": duration(HOURS)}
    every = f"sum_over_time({selector(BUCKETS, le='+Inf')}[{hour}])"
    yield REQUESTS, f"300 * sum by (tier) ({every})", {}


def read(*, now: Iterable[Sample], requests: Iterable[Sample], before: Iterable[Sample]) -> dict[str, Past]:
    """Each tier's past, from the answers to `QUERIES`. A p99 of nothing is NaN, and no measurement."""
    busy = {sample.labels["tier"]: sample.value for sample in requests}
    current: dict[str, dict[timedelta, float]] = {}
    past: dict[str, dict[tuple[timedelta, int], float]] = {}
    for sample, window in _measured(now):
        current.setdefault(sample.labels["tier"], {})[window] = sample.value
    for sample, window in _measured(before):
        past.setdefault(sample.labels["tier"], {})[window, int(sample.labels["day"])] = sample.value
    return {tier: Past(windows, past.get(tier, {}), busy.get(tier, 0.0)) for tier, windows in current.items()}


def _measured(samples: Iterable[Sample]) -> Iterator[tuple[Sample, timedelta]]:
    windows = {duration(window): window for window in WINDOWS}
    for sample in samples:
        window = windows.get(sample.labels.get("window", ""))
        if window is not None and 0 <= sample.value < float("inf"):
            yield sample, window


def judge(tier: str, past: Past) -> Creep:
    """Whether the tier's added latency creeps.

    `unknown` without enough requests or days to compare with: that neither starts nor ends anything. It is
    `clear` when it is well below its bound against each week that is known.
    """
    found = [
        Creep(tier, _verdict(windows), against, windows)
        for against, days in BASELINES.items()
        if past.requests >= BUSY and len(windows := tuple(_compared(past, days))) == len(WINDOWS)
    ]
    return max(found, key=_says, default=Creep(tier, "unknown"))


def _says(creep: Creep) -> float:
    return min(window.share for window in creep.windows)


def _verdict(windows: Sequence[Usual]) -> Verdict:
    least = min(window.share for window in windows)
    return "creeps" if least > 1 else "clear" if least < CLEARS_BELOW else "between"


def _compared(past: Past, days: Sequence[int]) -> Iterator[Usual]:
    for window in WINDOWS:
        known = [past.before[window, day] for day in days if (window, day) in past.before]
        if window in past.now and len(known) >= DAYS_KNOWN:
            usual = median(known)
            spread = median(abs(each - usual) for each in known)
            least = max(AT_LEAST_SHARE * usual, AT_LEAST_US, DEVIATIONS * spread)
            yield Usual(window, past.now[window], usual, usual + least, len(known))
