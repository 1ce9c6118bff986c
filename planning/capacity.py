"""Describes what tiers can hold, by their configuration and by what was measured."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import proxy.selectors
from planning.domain.buffers import Buffers, buffers
from proxy.domain.tier import Tier
from telemetry.domain import catalogue
from telemetry.domain.errors import MetricsError
from telemetry.ports import Metrics

LOOKS_BACK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Capacity:
    """One tier, each of its proxies. `why_unknown` says why no peak was measured, `promql` what was asked."""

    tier: str
    buffers: Buffers
    promql: str
    why_unknown: str = ""


def capacities(metrics: Metrics, *, now: datetime) -> list[Capacity]:
    """Every tier that Sluice drives, in the order of its list. One query each."""
    names = (row.name for row in proxy.selectors.tiers())
    return [capacity(metrics, proxy.selectors.desired(name, now=now), now=now) for name in names]


def capacity(metrics: Metrics, tier: Tier, *, now: datetime) -> Capacity:
    """The tier as it is served now, overlays included."""
    promql = catalogue.peak_requests(tier=tier.name, window=LOOKS_BACK)
    try:
        found = metrics.vector(promql, at=now)
    except MetricsError as error:
        return Capacity(
            tier.name, buffers(tier, None), promql, f"Prometheus gave no answer ({error.message})"
        )
    if not found:
        return Capacity(tier.name, buffers(tier, None), promql, "no proxy was scraped")
    return Capacity(tier.name, buffers(tier, found[0].value), promql)
