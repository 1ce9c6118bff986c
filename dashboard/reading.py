"""Measurements for pages: asked once for many readers, answered at once, and never an error on the page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from django.core.cache import cache

from telemetry import ports, selectors
from telemetry.domain.errors import MetricsError
from telemetry.domain.indicators import RouteIndicators, TierIndicators
from telemetry.ports import Metrics

# What a page's figures are over.
WINDOW = timedelta(minutes=1)
SPAN = timedelta(minutes=30)
# A page must appear even when Prometheus hangs: it then says so, and asks again at its next turn.
PATIENCE_SECONDS = 1.5
# Ten people who watch one page ask Prometheus as often as one. Each figure still says how old it is.
SHARED_SECONDS = 2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured of a tier; `trouble` is why not, empty when it was."""

    at: datetime
    tier: TierIndicators | None = None
    routes: Mapping[str, RouteIndicators] = field(default_factory=dict)
    trouble: str = ""

    @property
    def scraped_at(self) -> datetime | None:
        """When the oldest scrape under the figures was made; None when there is none."""
        if self.tier is None or self.tier.age is None:
            return None
        return self.at - self.tier.age


def patient() -> Metrics:
    """The Prometheus of the settings, with a page's patience."""
    return ports.from_settings(timeout=PATIENCE_SECONDS)


def read(*, metrics: Metrics, tier: str, now: datetime) -> Reading:
    """The tier and its routes over the last minute: a constant number of queries."""
    try:
        whole = selectors.tier_indicators(metrics, tier=tier, at=now, window=WINDOW)
        routes = selectors.route_indicators(metrics, tier=tier, at=now, window=WINDOW)
    except MetricsError as error:
        return Reading(at=now, trouble=error.message)
    return Reading(at=now, tier=whole, routes=routes)


def shared(*, tier: str, now: datetime) -> Reading:
    """`read`, at most once in two seconds a process."""
    return remembered(f"reading/{tier}", lambda: read(metrics=patient(), tier=tier, now=now))


def remembered(key: str, ask: Callable[[], T]) -> T:
    """What `ask` answered at most two seconds ago. A trouble is remembered too: nobody waits twice for it."""
    found: T | None = cache.get(key)
    if found is None:
        found = ask()
        cache.set(key, found, SHARED_SECONDS)
    return found
