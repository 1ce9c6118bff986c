"""Indicators of routes and tiers. The number of queries is constant, whatever the number of routes."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from telemetry.domain import catalogue
from telemetry.domain.failure import ORIGINATORS
from telemetry.domain.indicators import (
    ArmIndicators,
    Figure,
    ProxyIndicators,
    RouteIndicators,
    RouteTrouble,
    TierIndicators,
    TierSummary,
    Unit,
    UpstreamIndicators,
    ratio,
)
from telemetry.domain.series import Series
from telemetry.ports import Metrics

Key = tuple[str, ...]
MIN_STEP = timedelta(seconds=1)


def route_indicators(
    metrics: Metrics, *, tier: catalogue.Scope, at: datetime, window: timedelta
) -> dict[str, RouteIndicators]:
    """Every route of `tier` that had a request in `window` before `at`, by name.

    A route that is absent has no data. Raises MetricsError.
    """
    return _Routes(_Reader(metrics, tier=tier, at=at, window=window), at, window).all()


class _Routes:
    """The tables of all routes, each asked once, and what they say of one."""

    def __init__(self, reader: "_Reader", at: datetime, window: timedelta) -> None:
        self._at, self._window, self._age = at, window, reader.age
        self._both = {who: reader.table(catalogue.errors, "route", originator=who) for who in ORIGINATORS}
        self._requests = reader.table(catalogue.requests, "route")
        self._reasons = reader.table(catalogue.error_reasons, "route", "reason")
        self._latency = {
            f"{name}_p{quantile * 100:g}": reader.table(query, "route", quantile=quantile)
            for name, query in (("added", catalogue.added_latency), ("total", catalogue.total_latency))
            for quantile in (0.5, 0.99)
        }
        self._firsts = reader.table(catalogue.first_attempts, "route", "arm")
        self._failed = reader.table(catalogue.first_attempt_errors, "route", "arm")
        self._retries = reader.table(catalogue.retries, "route", "arm")
        self._tried, self._retried = _inner(self._firsts), _inner(self._retries)
        self._why = _inner(self._reasons)

    def all(self) -> dict[str, RouteIndicators]:
        return {route: self._of(route) for (route,) in sorted(self._requests.values)}

    def _of(self, route: str) -> RouteIndicators:
        return RouteIndicators(
            route=route,
            at=self._at,
            window=self._window,
            age=self._age,
            requests=self._requests.figure("per_second", route),
            proxy_errors=self._both["proxy"].figure("per_second", route),
            backend_errors=self._both["backend"].figure("per_second", route),
            reasons={
                reason: self._reasons.figure("per_second", route, reason)
                for reason in sorted(self._why.get(route, {}))
            },
            retries=self._again(route),
            arms={arm: self._arm(route, arm) for arm in sorted(self._tried.get(route, {}))},
            **{name: table.figure("microseconds", route) for name, table in self._latency.items()},
        )

    def _again(self, route: str) -> Figure:
        """All retries of the route, whichever the arm."""
        found = self._retried.get(route)
        return self._retries.made(sum(found.values()) if found else None, "per_second", route)

    def _arm(self, route: str, arm: str) -> ArmIndicators:
        attempts = self._firsts.figure("per_second", route, arm)
        errors = self._failed.figure("per_second", route, arm)
        return ArmIndicators(
            arm=arm,
            first_attempts=attempts,
            first_attempt_errors=errors,
            first_attempt_error_ratio=ratio(errors.value, attempts.value),
            retries=self._retries.figure("per_second", route, arm),
        )


def tier_summary(metrics: Metrics, *, tier: str, at: datetime, window: timedelta) -> TierSummary:
    """The whole tier in a few figures. Raises MetricsError."""
    reader = _Reader(metrics, tier=tier, at=at, window=window)
    errors = {
        who: reader.table(catalogue.tier_errors, originator=who).figure("per_second") for who in ORIGINATORS
    }
    added = reader.table(catalogue.tier_added_latency, quantile=0.99)
    return TierSummary(
        tier=tier,
        at=at,
        window=window,
        age=reader.age,
        requests=reader.table(catalogue.tier_requests).figure("per_second"),
        proxy_errors=errors["proxy"],
        backend_errors=errors["backend"],
        added_p99=added.figure("microseconds"),
    )


def route_troubles(
    metrics: Metrics, *, tier: str, at: datetime, window: timedelta
) -> dict[str, RouteTrouble]:
    """The routes of `tier` that fail most, by name: at most a few dozen. Raises MetricsError."""
    reader = _Reader(metrics, tier=tier, at=at, window=window)
    failing = {
        who: reader.table(catalogue.worst_routes, "route", originator=who).values for who in ORIGINATORS
    }
    attempts = _inner(reader.table(catalogue.worst_first_attempts, "route", "arm"))
    reasons = _inner(reader.table(catalogue.worst_reasons, "route", "reason"))
    names = {name for found in failing.values() for (name,) in found} | attempts.keys()
    return {
        name: RouteTrouble(
            route=name,
            proxy_ratio=failing["proxy"].get((name,)),
            backend_ratio=failing["backend"].get((name,)),
            first_attempts=attempts.get(name, {}),
            reasons=reasons.get(name, {}),
        )
        for name in sorted(names)
    }


def _inner(table: "_Table") -> dict[str, dict[str, float]]:
    """What is known, by the first label and then by the second."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (first, second), value in table.values.items():
        if value is not None:
            found[first][second] = value
    return dict(found)


def tier_indicators(metrics: Metrics, *, tier: str, at: datetime, window: timedelta) -> TierIndicators:
    """The tier over `window` before `at`: M1 to M5, by upstream and by proxy. Raises MetricsError."""
    reader = _Reader(metrics, tier=tier, at=at, window=window)

    def whole(query: Callable[..., str], unit: Unit, **arguments: Any) -> Figure:
        return reader.table(query, **arguments).figure(unit)

    connections = reader.table(catalogue.active_connections, "proxy", windowed=False)
    open_now = [value for value in connections.values.values() if value is not None]
    return TierIndicators(
        tier=tier,
        at=at,
        window=window,
        age=reader.age,
        requests=whole(catalogue.tier_requests, "per_second"),
        proxy_errors=whole(catalogue.tier_errors, "per_second", originator="proxy"),
        backend_errors=whole(catalogue.tier_errors, "per_second", originator="backend"),
        added_p50=whole(catalogue.tier_added_latency, "microseconds", quantile=0.5),
        added_p99=whole(catalogue.tier_added_latency, "microseconds", quantile=0.99),
        routing_p99=whole(catalogue.route_resolution, "microseconds", quantile=0.99),
        tls_handshakes=whole(catalogue.tls_handshakes, "per_second"),
        tls_failures=whole(catalogue.tls_failures, "per_second"),
        tls_resumption=whole(catalogue.tls_resumption, "ratio"),
        active_connections=connections.made(sum(open_now) if open_now else None, "count"),
        upstreams=_upstreams(reader),
        proxies=_proxies(reader, connections),
    )


def _upstreams(reader: "_Reader") -> dict[str, UpstreamIndicators]:
    by = "envoy_cluster_name"
    pools = {
        resource: reader.table(catalogue.pool_saturation, by, windowed=False, resource=resource)
        for resource in ("connections", "requests", "pending")
    }
    retries = reader.table(catalogue.retries_by_upstream, by)
    refused = reader.table(catalogue.retry_budget_exhaustion, by)
    names = {name for table in (*pools.values(), retries, refused) for (name,) in table.values}
    return {
        name: UpstreamIndicators(
            upstream=name,
            connections=pools["connections"].figure("ratio", name),
            requests=pools["requests"].figure("ratio", name),
            pending=pools["pending"].figure("ratio", name),
            retries=retries.figure("per_second", name),
            retry_budget_exhaustion=refused.figure("per_second", name),
        )
        for name in sorted(names)
    }


def _proxies(reader: "_Reader", connections: "_Table") -> dict[str, ProxyIndicators]:
    up = reader.table(catalogue.proxies_up, "proxy", windowed=False)
    busy = reader.table(catalogue.worker_busy, "proxy")
    memory = reader.table(catalogue.memory, "proxy", windowed=False)
    return {
        name: ProxyIndicators(
            proxy=name,
            up=up.values.get((name,)) == 1,
            age=reader.ages.get(name),
            active_connections=connections.figure("count", name),
            worker_busy=busy.figure("ratio", name),
            memory=memory.figure("bytes", name),
        )
        for (name,) in sorted(up.values)
    }


def history(
    metrics: Metrics, *, promql: str, at: datetime, span: timedelta, points: int = 120
) -> tuple[Series, ...]:
    """Any figure's PromQL over `span` before `at`, in about `points` steps of whole seconds."""
    step = max(MIN_STEP, timedelta(seconds=round(span.total_seconds() / points)))
    return metrics.matrix(promql, start=at - span, end=at, step=step)


@dataclass(frozen=True)
class _Table:
    """One query's answer by its labels. `query(route)` is the text of one route's part of it."""

    values: Mapping[Key, float | None]
    query: Callable[[str | None], str]
    age: timedelta | None

    def figure(self, unit: Unit, *key: str) -> Figure:
        return self.made(self.values.get(key), unit, *key)

    def made(self, value: float | None, unit: Unit, *key: str) -> Figure:
        return Figure(value=value, unit=unit, promql=self.query(key[0] if key else None), age=self.age)


class _Reader:
    """Asks the catalogue at one time, so that the figures of a page belong together."""

    def __init__(self, metrics: Metrics, *, tier: catalogue.Scope, at: datetime, window: timedelta) -> None:
        self._metrics, self._tier, self._at, self._window = metrics, tier, at, window
        ages = self.table(catalogue.scrape_age, "proxy", windowed=False, aged=False).values
        self.ages = {proxy: timedelta(seconds=age) for (proxy,), age in ages.items() if age is not None}
        # A figure over several proxies is as old as the oldest scrape in it.
        self.age = max(self.ages.values(), default=None)

    def table(
        self,
        query: Callable[..., str],
        *by: str,
        windowed: bool = True,
        aged: bool = True,
        **arguments: Any,
    ) -> _Table:
        asked = {"tier": self._tier, **({"window": self._window} if windowed else {}), **arguments}

        def text(route: str | None) -> str:
            return query(**asked, route=route) if route and by[0] == "route" else query(**asked)

        values: dict[Key, float | None] = defaultdict(lambda: None)
        for sample in self._metrics.vector(query(**asked), at=self._at):
            key = tuple(sample.labels.get(label, "") for label in by)
            values[key] = None if math.isnan(sample.value) else sample.value
        return _Table(values=dict(values), query=text, age=self.age if aged else None)
