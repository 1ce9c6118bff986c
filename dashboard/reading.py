"""Measurements for pages: asked once for many readers, answered at once, and never an error on the page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from telemetry import selectors
from telemetry.domain.errors import MetricsError
from telemetry.domain.indicators import RouteIndicators, RouteTrouble, TierIndicators, TierSummary
from telemetry.patience import patient, remembered
from telemetry.ports import Metrics

# What a page's figures are over.
WINDOW = timedelta(minutes=1)
SPAN = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured of a tier; `trouble` is why not, empty when it was. Each page asks only its part."""

    at: datetime
    tier: TierSummary | None = None
    routes: Mapping[str, RouteIndicators] = field(default_factory=dict)
    troubles: Mapping[str, RouteTrouble] = field(default_factory=dict)
    trouble: str = ""

    @property
    def scraped_at(self) -> datetime | None:
        """When the oldest scrape under the figures was made; None when there is none."""
        if self.tier is None or self.tier.age is None:
            return None
        return self.at - self.tier.age


def read(*, metrics: Metrics, tier: str, now: datetime) -> Reading:
    """The tier in short, and its routes, over the last minute: a constant number of queries."""
    try:
        whole = selectors.tier_summary(metrics, tier=tier, at=now, window=WINDOW)
        routes = selectors.route_indicators(metrics, tier=tier, at=now, window=WINDOW)
    except MetricsError as error:
        return Reading(at=now, trouble=error.message)
    return Reading(at=now, tier=whole, routes=routes)


def read_tier(*, metrics: Metrics, tier: str, now: datetime) -> Reading:
    """The tier alone, with its upstreams and proxies."""
    try:
        whole: TierIndicators = selectors.tier_indicators(metrics, tier=tier, at=now, window=WINDOW)
    except MetricsError as error:
        return Reading(at=now, trouble=error.message)
    return Reading(at=now, tier=whole)


def read_troubles(*, metrics: Metrics, tier: str, now: datetime) -> Reading:
    """The tier in short, and what fails most of its routes: as much to read for ten as for a thousand."""
    try:
        whole = selectors.tier_summary(metrics, tier=tier, at=now, window=WINDOW)
        troubles = selectors.route_troubles(metrics, tier=tier, at=now, window=WINDOW)
    except MetricsError as error:
        return Reading(at=now, trouble=error.message)
    return Reading(at=now, tier=whole, troubles=troubles)


def shared(*, tier: str, now: datetime) -> Reading:
    """`read`, at most once in two seconds a process; so are the next two."""
    return remembered(f"reading/{tier}", lambda: read(metrics=patient(), tier=tier, now=now))


def shared_tier(*, tier: str, now: datetime) -> Reading:
    return remembered(f"reading/tier/{tier}", lambda: read_tier(metrics=patient(), tier=tier, now=now))


def shared_troubles(*, tier: str, now: datetime) -> Reading:
    return remembered(
        f"reading/troubles/{tier}", lambda: read_troubles(metrics=patient(), tier=tier, now=now)
    )
