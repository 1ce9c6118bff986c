"""The load of upstreams in requests per second, and the highest that they took while they stayed well.

Load is every attempt that is sent to a backend, retries too: each is a request that it must serve. What an
endpoint took while its upstream stayed well is a lower bound of what it can take, and no more than that: it
says nothing of what a higher rate would have done.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from telemetry.domain.catalogue import ATTEMPTS, FIRST, TOTAL, UPSTREAMS
from telemetry.domain.failure import failed_attempts
from telemetry.domain.promql import duration, selector, unequal

RATE = timedelta(minutes=1)
"""What a rate is taken over. Fifteen seconds between scrapes still leave it four."""
WELL_FAILED = 0.01
"""Up to this share of failed attempts an upstream is well."""
WELL_SLOWER = 2.0
"""Up to so many times its usual p99, the median of the window's, an upstream is well."""
Point = tuple[str, str, float]
"""Tier, upstream, Unix seconds."""

_DRIVEN = unequal("tier", "")
_NAMED = unequal("arm", "")


def attempts() -> str:
    """Attempts per second by tier, route and arm."""
    return f"sum by (tier, route, arm) ({_rate(ATTEMPTS, _DRIVEN, _NAMED)})"


def firsts() -> str:
    """First attempts per second by tier, route and arm: what clients ask, without what retries add."""
    return f"sum by (tier, route, arm) ({_rate(ATTEMPTS, _DRIVEN, _NAMED, FIRST)})"


def healthy() -> str:
    """Endpoints that take requests, by tier and upstream, on the proxy that sees the fewest."""
    found = selector("envoy_cluster_membership_healthy", _DRIVEN, UPSTREAMS)
    return f"min by (tier, envoy_cluster_name) ({found})"


def load() -> str:
    """Attempts per second by tier and arm."""
    return f"sum by (tier, arm) ({_rate(ATTEMPTS, _DRIVEN, _NAMED)})"


def failed() -> str:
    """Attempts per second that failed, by tier and arm; no data where none did."""
    ways = " or ".join(_rate(ATTEMPTS, _DRIVEN, _NAMED, *way) for way in failed_attempts())
    return f"sum by (tier, arm) ({ways})"


def slowness() -> str:
    """The p99 of the whole time of a request in microseconds, by tier and arm; only where a tier splits."""
    return f"histogram_quantile(0.99, sum by (tier, arm, le) ({_rate(TOTAL, _DRIVEN, _NAMED)}))"


def _rate(metric: str, *matchers: str) -> str:
    return f"rate({selector(metric, *matchers)}[{duration(RATE)}])"


@dataclass(frozen=True, slots=True)
class Shown:
    """What an endpoint of an upstream took while the upstream stayed well: a lower bound of its capacity.

    `at` is when, in Unix seconds. `by_latency`: whether its latency was known and judged, too.
    """

    rps: float
    at: float
    by_latency: bool


def highest_well(
    load: Mapping[Point, float],
    failed: Mapping[Point, float],
    slowness: Mapping[Point, float],
    healthy: Mapping[Point, float],
) -> dict[tuple[str, str], Shown]:
    """By tier and upstream: the highest load of an endpoint at a moment when the upstream was well.

    Well: at most WELL_FAILED of its attempts failed, and its p99 was at most WELL_SLOWER times the median of
    its own. A moment without healthy endpoints shows nothing.
    """
    usual = _usual(slowness)
    found: dict[tuple[str, str], Shown] = {}
    for point, rate in load.items():
        tier, upstream, at = point
        endpoints, p99 = healthy.get(point, 0.0), slowness.get(point)
        slow = p99 is not None and p99 > WELL_SLOWER * usual[tier, upstream]
        if endpoints < 1 or rate <= 0 or failed.get(point, 0.0) > WELL_FAILED * rate or slow:
            continue
        shown = Shown(rate / endpoints, at, p99 is not None)
        best = found.get((tier, upstream))
        if best is None or shown.rps > best.rps:
            found[tier, upstream] = shown
    return found


def _usual(slowness: Mapping[Point, float]) -> dict[tuple[str, str], float]:
    seen: dict[tuple[str, str], list[float]] = {}
    for (tier, upstream, _), p99 in slowness.items():
        seen.setdefault((tier, upstream), []).append(p99)
    return {name: median(values) for name, values in seen.items()}


def named(rows: Iterable[tuple[Mapping[str, str], float, float]], label: str) -> dict[Point, float]:
    """Values by point, of (labels, Unix seconds, value); NaN is no value."""
    return {(of.get("tier", ""), of.get(label, ""), at): value for of, at, value in rows if value == value}
