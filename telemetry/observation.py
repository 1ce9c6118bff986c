"""Figures of a fleet that Sluice does not drive, each with its worth. The number of queries is constant."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from telemetry.domain import catalogue, measured, plain, quality
from telemetry.domain.failure import ORIGINATORS
from telemetry.domain.indicators import Figure, RouteIndicators, Unit
from telemetry.domain.plain import CLUSTER, Watched
from telemetry.domain.quality import Judged, Observation, Quality, WatchedProxy, Worth
from telemetry.ports import Metrics
from telemetry.selectors import route_indicators

COVERED = 0.95
"""From this share on Sluice's statistics stand for the fleet. Not all: a rate misses what a series had
counted before its first scrape.
"""


def observe(metrics: Metrics, *, watched: Watched, at: datetime, window: timedelta) -> Observation:
    """The fleet over `window` before `at`. Raises MetricsError."""
    asked = _Asked(metrics, watched, at, window)
    coverage = asked.one(measured.coverage(watched, window))
    instrumented = coverage is not None and coverage >= COVERED
    numbered = instrumented and asked.one(measured.numbered(watched, window)) == 1
    return Observation(
        at=at,
        window=window,
        age=asked.age,
        coverage=coverage or None,
        nameless=asked.one(measured.nameless(watched, window)) if instrumented else None,
        instrumented=instrumented,
        numbered=numbered,
        figures=_by_name([*_counted(asked), *_firsts(asked, numbered), *_rest(asked, instrumented)]),
        clusters=_clusters(asked, instrumented, numbered),
        routes=_routes(asked) if instrumented else {},
        proxies=_proxies(asked),
    )


def _routes(asked: "_Asked") -> dict[str, RouteIndicators]:
    """By the very queries of a driven tier."""
    return route_indicators(asked.metrics, tier=asked.watched.matchers, at=asked.at, window=asked.window)


def _counted(asked: "_Asked") -> Iterable[Judged]:
    """What Envoy's own counters say as they are."""
    watched, window, scope = asked.watched, asked.window, asked.watched.matchers
    exact = quality.COUNTED
    yield asked.judge("requests", "Requests", "per_second", "exact", exact, plain.requests(watched, window))
    every = plain.requests(watched, window)
    fives = f"{plain.failed(watched, window)} or 0 * {every}"
    yield asked.judge("failed", "5xx to clients", "per_second", "exact", exact, fives)
    retries = f"sum({plain.retries(watched, window)})"
    yield asked.judge("retries", "Retries", "per_second", "exact", exact, retries)
    refused = f"sum({plain.retries_refused(watched, window)})"
    yield asked.judge("retries_refused", "Refused by budget", "per_second", "exact", exact, refused)
    open_now = f"sum({plain.connections(watched)})"
    yield asked.judge("connections", "Connections", "count", "exact", exact, open_now)
    handshakes = catalogue.tls_handshakes(tier=scope, window=window)
    yield asked.found("tls_handshakes", "TLS handshakes", "per_second", handshakes, quality.TLS)
    failures = catalogue.tls_failures(tier=scope, window=window)
    yield asked.found("tls_failures", "TLS failures", "per_second", failures, quality.TLS)
    resumed = catalogue.tls_resumption(tier=scope, window=window)
    yield asked.found("tls_resumption", "Sessions resumed", "ratio", resumed, quality.TLS)


def _firsts(asked: "_Asked", numbered: bool) -> Iterable[Judged]:
    """First attempts that failed: measured where attempts are logged with their numbers."""
    watched, window = asked.watched, asked.window
    if numbered:
        text = measured.first_attempt_failures(watched, window)
        yield asked.judge("first_attempts", _FIRSTS, "ratio", "exact", quality.MEASURED, text)
        return
    every, firsts = plain.answers(watched, window), plain.first_attempt_failures(watched, window)
    text = f"sum({firsts} * {every}) / sum({every})"
    yield asked.judge("first_attempts", _FIRSTS, "ratio", "approximate", quality.FIRST, text)


def _rest(asked: "_Asked", instrumented: bool) -> Iterable[Judged]:
    return _measured(asked) if instrumented else _estimated(asked)


def _estimated(asked: "_Asked") -> Iterable[Judged]:
    """What a fleet without Sluice's statistics gives: estimates, and gaps that say how to fill them."""
    watched, window = asked.watched, asked.window
    for who in ORIGINATORS:
        text = plain.tier_failures(watched, window, who)
        yield asked.judge(f"failed_{who}", _BY[who], "per_second", "approximate", quality.MIXED, text)
    for name, share in (("total_p50", 0.5), ("total_p99", 0.99)):
        text = plain.latency(watched, window, share)
        yield asked.judge(name, _LATENCY[name], "microseconds", "approximate", quality.WHOLE_MS, text)
    mean = plain.added_mean(watched, window)
    yield asked.judge("added_mean", _LATENCY["added_mean"], "microseconds", "approximate", quality.MEAN, mean)
    for name in ("added_p50", "added_p99"):
        yield asked.missing(name, _LATENCY[name], "microseconds", quality.NO_QUANTILE)
    yield asked.missing("reasons", "Reasons of its own 5xx", "per_second", quality.INSTRUMENT)


_BY = {"proxy": "Failed by the proxy", "backend": "Failed by a backend"}
_FIRSTS = "First attempts failed"
_EXACT = Quality("exact", quality.COUNTED)
_LATENCY = {
    "total_p50": "Latency p50",
    "total_p99": "Latency p99",
    "added_mean": "Added latency, mean",
    "added_p50": "Added latency p50",
    "added_p99": "Added latency p99",
}


def _measured(asked: "_Asked") -> Iterable[Judged]:
    """What Sluice's statistics say."""
    watched, window, exact = asked.watched, asked.window, quality.MEASURED
    for who in ORIGINATORS:
        text = measured.failures(watched, window, who)
        yield asked.judge(f"failed_{who}", _BY[who], "per_second", "exact", exact, text)
    for name, share in (("added_p50", 0.5), ("added_p99", 0.99)):
        text = measured.added(watched, window, share)
        yield asked.judge(name, _LATENCY[name], "microseconds", "exact", exact, text)
    for name, share in (("total_p50", 0.5), ("total_p99", 0.99)):
        text = measured.latency(watched, window, share)
        yield asked.judge(name, _LATENCY[name], "microseconds", "exact", exact, text)


def _clusters(asked: "_Asked", instrumented: bool, numbered: bool) -> dict[str, dict[str, Judged]]:
    """By cluster; whose failures they are, exactly where Sluice's statistics tell."""
    watched, window = asked.watched, asked.window
    columns = [*_answered(watched, window), *_loaded(watched, window)]
    if instrumented:
        columns = [_exactly(column, watched, window, numbered) for column in columns]
    tables = [(column, asked.table(column.promql, column.by)) for column in columns]
    names = sorted(
        {name for column, table in tables if column.name == "answers" for name in table if table[name]}
    )
    return {
        name: {column.name: column.judged(table.get(name), asked.age) for column, table in tables}
        for name in names
    }


def _answered(watched: Watched, window: timedelta) -> Iterable["Column"]:
    """What a cluster answers, by Envoy's own counters: how much, how well, how soon."""
    mixed, whole_ms = Quality("approximate", quality.MIXED), Quality("approximate", quality.WHOLE_MS)
    yield Column("answers", "Answers", "per_second", _EXACT, plain.answers(watched, window))
    yield Column("failed_proxy", _BY["proxy"], "per_second", mixed, plain.own_failures(watched, window))
    theirs = plain.backend_failures(watched, window)
    yield Column("failed_backend", _BY["backend"], "per_second", mixed, theirs)
    firsts = plain.first_attempt_failures(watched, window)
    yield Column("first_attempts", _FIRSTS, "ratio", Quality("approximate", quality.FIRST), firsts)
    latency = plain.cluster_latency(watched, window, 0.99)
    yield Column("latency_p99", "Backend p99", "microseconds", whole_ms, latency)


def _loaded(watched: Watched, window: timedelta) -> Iterable["Column"]:
    """What a cluster has to bear: retries, those that its budget refused, its pool."""
    yield Column("retries", "Retries", "per_second", _EXACT, plain.retries(watched, window))
    refused = plain.retries_refused(watched, window)
    yield Column("retries_refused", "Refused by budget", "per_second", _EXACT, refused)
    pool = catalogue.pool_saturation(tier=watched.matchers, resource="connections")
    yield Column("pool", "Pool in use", "ratio", _EXACT, pool, lacks=quality.TRACK)


def _exactly(column: "Column", watched: Watched, window: timedelta, numbered: bool) -> "Column":
    exact = Quality("exact", quality.MEASURED)
    for who in ORIGINATORS:
        if column.name == f"failed_{who}":
            text = measured.cluster_failures(watched, window, who)
            return replace(column, quality=exact, promql=text, by="arm")
    if column.name == "first_attempts" and numbered:
        text = measured.first_attempt_failures(watched, window, by="arm")
        return replace(column, quality=exact, promql=text, by="arm")
    return column


def _proxies(asked: "_Asked") -> dict[str, WatchedProxy]:
    watched = asked.watched
    up = asked.table(plain.up(watched), watched.proxy_label)
    connections = asked.table(plain.connections(watched), watched.proxy_label)
    memory = asked.table(plain.memory(watched), watched.proxy_label)
    return {
        name: WatchedProxy(name, up[name] == 1, asked.ages.get(name), connections.get(name), memory.get(name))
        for name in sorted(up)
    }


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of every cluster. `lacks` says what to add where it has no series."""

    name: str
    label: str
    unit: Unit
    quality: Quality
    promql: str
    by: str = CLUSTER
    lacks: str = ""

    def judged(self, value: float | None, age: timedelta | None) -> Judged:
        worth = Quality("unavailable", self.lacks) if value is None and self.lacks else self.quality
        return Judged(self.name, self.label, Figure(value, self.unit, self.promql, age), worth)


class _Asked:
    """Asks at one time, so that the figures of a page belong together."""

    def __init__(self, metrics: Metrics, watched: Watched, at: datetime, window: timedelta) -> None:
        self.metrics, self.watched, self.at, self.window = metrics, watched, at, window
        found = self.table(plain.age(watched), watched.proxy_label)
        self.ages = {name: timedelta(seconds=value) for name, value in found.items() if value is not None}
        self.age = max(self.ages.values(), default=None)

    def one(self, promql: str) -> float | None:
        """The value of a query without labels; None is no data."""
        return next(iter(self.table(promql).values()), None)

    def table(self, promql: str, by: str = "") -> dict[str, float | None]:
        """Values by one label."""
        samples = self.metrics.vector(promql, at=self.at)
        return {
            sample.labels.get(by, ""): None if math.isnan(sample.value) else sample.value
            for sample in samples
        }

    def judge(self, name: str, label: str, unit: Unit, worth: Worth, note: str, promql: str) -> Judged:
        """A figure that this fleet gives."""
        return Judged(name, label, Figure(self.one(promql), unit, promql, self.age), Quality(worth, note))

    def found(self, name: str, label: str, unit: Unit, promql: str, lacks: str) -> Judged:
        """A counter of Envoy's that only some fleets have: exact where it is there."""
        value = self.one(promql)
        worth = Quality("unavailable", lacks) if value is None else Quality("exact", quality.COUNTED)
        return Judged(name, label, Figure(value, unit, promql, self.age), worth)

    def missing(self, name: str, label: str, unit: Unit, note: str) -> Judged:
        """A figure that nothing in this fleet's series gives."""
        return Judged(name, label, Figure(None, unit, "", self.age), Quality("unavailable", note))


def _by_name(found: Iterable[Judged]) -> dict[str, Judged]:
    return {judged.name: judged for judged in found}
