"""What upstreams serve now and what they were seen to take. A constant number of queries for all tiers."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from telemetry.domain import capacity
from telemetry.domain.capacity import Point, Shown
from telemetry.ports import Metrics

WINDOW = timedelta(hours=6)
STEP = timedelta(minutes=1)
Name = tuple[str, str]
"""Tier and upstream."""


@dataclass(frozen=True, slots=True)
class UpstreamLoad:
    """Requests per second by route: all attempts, and of these the first ones. `healthy` None: not known."""

    healthy: int | None = None
    attempts: dict[str, float] = field(default_factory=dict)
    firsts: dict[str, float] = field(default_factory=dict)


def present(metrics: Metrics, *, at: datetime) -> dict[Name, UpstreamLoad]:
    """Every upstream that serves or stands by, by tier and name. Raises MetricsError."""
    attempts = _by_route(metrics, capacity.attempts(), at)
    firsts = _by_route(metrics, capacity.firsts(), at)
    healthy = {
        (one.labels.get("tier", ""), one.labels.get("envoy_cluster_name", "")): int(one.value)
        for one in metrics.vector(capacity.healthy(), at=at)
        if one.value == one.value
    }
    return {
        name: UpstreamLoad(healthy.get(name), attempts.get(name, {}), firsts.get(name, {}))
        for name in sorted({*attempts, *healthy})
    }


def shown(metrics: Metrics, *, at: datetime) -> dict[Name, Shown]:
    """The highest rate of one endpoint in WINDOW at which its upstream was well. Raises MetricsError."""
    return capacity.highest_well(
        _over(metrics, capacity.load(), "arm", at),
        _over(metrics, capacity.failed(), "arm", at),
        _over(metrics, capacity.slowness(), "arm", at),
        _over(metrics, capacity.healthy(), "envoy_cluster_name", at),
    )


def _by_route(metrics: Metrics, promql: str, at: datetime) -> dict[Name, dict[str, float]]:
    found: dict[Name, dict[str, float]] = defaultdict(dict)
    for one in metrics.vector(promql, at=at):
        if one.value == one.value:
            name = (one.labels.get("tier", ""), one.labels.get("arm", ""))
            found[name][one.labels.get("route", "")] = one.value
    return dict(found)


def _over(metrics: Metrics, promql: str, label: str, at: datetime) -> dict[Point, float]:
    series = metrics.matrix(promql, start=at - WINDOW, end=at, step=STEP)
    return capacity.named(
        ((one.labels, moment, value) for one in series for moment, value in one.points), label
    )
