"""Measures every route of a tier for the retry storm: six queries, whatever the number of routes."""

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from proxy.domain.tier import Tier
from runbooks.domain.policy import Policy
from runbooks.domain.retry_storm import Measure
from telemetry.domain import catalogue
from telemetry.domain.errors import MetricsError
from telemetry.ports import Metrics

Table = dict[tuple[str, ...], float]


def measure_routes(metrics: Metrics, *, tier: Tier, policy: Policy, now: datetime) -> dict[str, Measure]:
    """Each route of the tier with what was measured, or with why there is no data."""
    try:
        why = _stale(metrics, tier.name, policy, now)
        tables = None if why else _tables(metrics, tier.name, policy, now)
    except MetricsError as error:
        why, tables = f"no data: {error}", None
    if tables is None:
        return {route.name: Measure(at=now, why_no_data=why) for route in tier.routes}
    return {route.name: _measure(route.name, route.split, tables, now) for route in tier.routes}


def _stale(metrics: Metrics, tier: str, policy: Policy, now: datetime) -> str:
    """Why no scrape is new enough to judge by, or nothing. A rate outlives its scrapes."""
    ages = [
        s.value for s in metrics.vector(catalogue.scrape_age(tier=tier), at=now) if not math.isnan(s.value)
    ]
    if not ages:
        return "no data: no proxy was scraped"
    if min(ages) > policy.stale_after.total_seconds():
        return f"no data since {min(ages):.0f} s"
    return ""


def _tables(metrics: Metrics, tier: str, policy: Policy, now: datetime) -> dict[str, Table]:
    by_arm, by_upstream = ("route", "arm"), ("envoy_cluster_name",)
    window = policy.lookback

    def table(promql: str, labels: tuple[str, ...]) -> Table:
        found = metrics.vector(promql, at=now)
        return {tuple(s.labels.get(k, "") for k in labels): s.value for s in found if not math.isnan(s.value)}

    return {
        "first": table(catalogue.first_attempts(tier=tier, window=window), by_arm),
        "retries": table(catalogue.retries(tier=tier, window=window), by_arm),
        "wasted": table(catalogue.failed_retries(tier=tier, window=window), by_arm),
        "failed": table(catalogue.first_attempt_errors(tier=tier, window=window), by_arm),
        "exhausted": table(catalogue.retry_budget_exhaustion(tier=tier, window=window), by_upstream),
    }


def _measure(route: str, split: Mapping[str, int], tables: Mapping[str, Table], now: datetime) -> Measure:
    sums: dict[str, dict[str, float]] = defaultdict(dict)
    for name in ("first", "retries", "wasted", "failed"):
        sums[name] = {arm: value for (of, arm), value in tables[name].items() if of == route}
    exhausted = [tables["exhausted"][(upstream,)] for upstream in split if (upstream,) in tables["exhausted"]]
    retries = sums["retries"]
    return Measure(
        at=now,
        first=sum(sums["first"].values()) if sums["first"] else None,
        retries=sum(retries.values()) if retries else None,
        wasted=sum(sums["wasted"].values()) if sums["wasted"] else None,
        failed=sum(sums["failed"].values()) if sums["failed"] else None,
        exhausted=sum(exhausted) if exhausted else None,
        busiest=max(retries, key=lambda arm: retries[arm]) if any(retries.values()) else "",
        why_no_data="" if sums["first"] else "no requests were measured",
    )
