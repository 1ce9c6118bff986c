"""Replays a runbook's detection over what Prometheus recorded. Reads only; nothing is told or changed."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import proxy.selectors
from proxy.domain.tier import Tier
from runbooks import texts
from runbooks.domain.measures import Measure
from runbooks.domain.rehearsing import Moment, Rehearsal
from runbooks.domain.signals import Queried, promql_of
from runbooks.domain.targets import splits_of, subjects
from runbooks.services.looking import EVERY
from runbooks.services.measuring import Table, measured, told_apart
from runbooks.services.starting import CannotStart
from runbooks.services.watched import Watched, now_on
from telemetry.domain import catalogue
from telemetry.ports import Metrics

# So much is asked for at once: Prometheus gives no more than 11,000 points a series, and all of it is held.
CHUNK = timedelta(minutes=30)
LONGEST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What would have happened, by target, those alone to which something would; and how much there was to
    judge by: ticks with enough data of all ticks, over all targets.
    """

    start: datetime
    end: datetime
    moments: dict[str, list[Moment]]
    judged: int
    ticks: int


def rehearse(*, runbook: str, tier: str, start: datetime, end: datetime, metrics: Metrics) -> Rehearsed:
    """The runbook as it holds on the tier now, at every tick from start to end.

    Raises UnknownRunbook, UnknownTier, CannotStart (with the reason), MetricsError.
    """
    definition = texts.text(runbook).definition
    if definition is None:
        raise CannotStart(f"{runbook} is a text for people: it has no machine's part")
    if not timedelta(0) < end - start <= LONGEST:
        raise CannotStart(f"rehearse a time that begins before it ends, {LONGEST.days} days at most")
    found = proxy.selectors.desired(tier, now=end)
    watched = now_on(runbook, definition, found)
    turns = {name: Rehearsal(watched.judge) for name in subjects(definition.scope, found)}
    moments: dict[str, list[Moment]] = {}
    judged = ticks = 0
    for measures in _measures(watched, found, metrics, start, end):
        for name, measure in measures.items():
            ticks += 1
            judged += watched.judge.detect(measure) != "no_data"
            happened = turns[name].feed(measure)
            if happened:
                moments.setdefault(name, []).extend(happened)
    return Rehearsed(start, end, moments, judged, ticks)


def _measures(
    watched: Watched, tier: Tier, metrics: Metrics, start: datetime, end: datetime
) -> Iterator[dict[str, Measure]]:
    """Of every tick, each target's measure; read in pieces."""
    at = start
    while at <= end:
        last = min(at + CHUNK - EVERY, end)
        yield from _chunk(watched, tier, metrics, at, last)
        at += CHUNK


def _chunk(
    watched: Watched, tier: Tier, metrics: Metrics, start: datetime, end: datetime
) -> Iterator[dict[str, Measure]]:
    definition, policy = watched.definition, watched.judge.policy
    queried = {n: each for n, each in definition.signals.items() if isinstance(each, Queried)}
    ages = _ages(metrics, tier.name, start, end)
    tables = {
        name: _tables(metrics, signal, promql_of(signal, tier.name, policy.lookback), start, end)
        for name, signal in queried.items()
    }
    splits, names = splits_of(tier), subjects(definition.scope, tier)
    at = start
    while at <= end:
        key, old = _key(at), policy.stale_after.total_seconds()
        if ages.get(key, math.inf) > old:
            yield {name: Measure(at, why_no_data="no data: nothing was scraped") for name in names}
        else:
            now = {name: (signal, tables[name].get(key, {})) for name, signal in queried.items()}
            yield {name: measured(definition, name, now, splits, at) for name in names}
        at += EVERY


def _ages(metrics: Metrics, tier: str, start: datetime, end: datetime) -> Mapping[float, float]:
    """How old the newest scrape was at each tick."""
    youngest: dict[float, float] = {}
    for series in metrics.matrix(catalogue.scrape_age(tier=tier), start=start, end=end, step=EVERY):
        for at, age in series.points:
            if math.isfinite(age):
                youngest[round(at, 3)] = min(age, youngest.get(round(at, 3), math.inf))
    return youngest


def _tables(
    metrics: Metrics, signal: Queried, promql: str, start: datetime, end: datetime
) -> dict[float, Table]:
    """The signal's series at each tick, as one tick's query tells them apart."""
    tables: dict[float, Table] = {}
    for series in metrics.matrix(promql, start=start, end=end, step=EVERY):
        by, name = told_apart(signal, series.labels)
        for at, value in series.points:
            if math.isfinite(value):
                tables.setdefault(round(at, 3), {}).setdefault(by, []).append((name, value))
    return tables


def _key(at: datetime) -> float:
    return round(at.timestamp(), 3)
