"""What Prometheus would answer to a tick, for a tier whose traffic was steady."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from proxy.domain.tier import Tier
from slo.domain import objectives
from slo.domain.readings import queries
from slo.domain.windows import LONG, MIDDLE, SHORT
from telemetry.domain import catalogue
from telemetry.domain.promql import duration
from telemetry.memory import InMemoryMetrics

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SPANS = (*SHORT, *MIDDLE, *LONG, timedelta(days=30))


@dataclass(frozen=True)
class Traffic:
    """One route: requests a second, shares of them that failed, and that were slower than the threshold."""

    route: str = "shop"
    rate: float = 100
    proxy: float = 0
    backend: float = 0
    slow: float = 0


def tier(*routes: str, **changes: Any) -> Tier:
    """A tier `edge` with one proxy, one upstream and these routes (default: shop)."""
    return Tier.model_validate(
        {
            "name": "edge",
            "proxies": [{"name": "edge-1", "http_port": 1, "https_port": 2, "admin_port": 3}],
            "upstreams": [{"name": "shop-v1", "endpoints": [{"port": 4}]}],
            "routes": [
                {"name": name, "hosts": [f"{name}.test"], "upstream": "shop-v1"}
                for name in routes or ["shop"]
            ],
            **changes,
        }
    )


def recorded(
    *traffic: Traffic,
    of: Iterable[objectives.Objective],
    age: timedelta = timedelta(days=30),
    scraped: datetime = NOW,
    metrics: InMemoryMetrics | None = None,
) -> InMemoryMetrics:
    """A Prometheus in memory with the recorded series of a history as long as `age`."""
    held = metrics or InMemoryMetrics()
    wanted = list(of)
    asked = queries(wanted)
    edges = {o.threshold_us for o in wanted if o.threshold_us is not None}
    at = [(t, duration(span), min(span, age).total_seconds() * t.rate) for t in traffic for span in SPANS]

    def labels(one: Traffic, window: str, **more: str) -> dict[str, str]:
        return {"tier": "edge", "route": one.route, "window": window, **more}

    held.answer(asked.requests, [(labels(t, w), n) for t, w, n in at])
    held.answer(
        asked.errors,
        [
            (labels(t, w, originator=side), n * getattr(t, side))
            for t, w, n in at
            for side in ("proxy", "backend")
        ],
    )
    held.answer(
        asked.added,
        [(labels(t, w, le="+Inf"), n) for t, w, n in at]
        + [(labels(t, w, le=f"{edge}"), n * (1 - t.slow)) for t, w, n in at for edge in edges],
    )
    coverage = [({"tier": "edge", "window": duration(span)}, min(1.0, age / span)) for span in SPANS]
    held.answer(asked.coverage, coverage)
    held.answer(catalogue.faults(window=SHORT[0]), [])
    held.answer(asked.scraped, [({"tier": "edge"}, scraped.timestamp())])
    return held


def only(kind: objectives.Kind, target: str, **more: Any) -> objectives.Objective:
    """One objective of the route shop, or of the tier for another kind."""
    route = "shop" if kind == "route_availability" else ""
    return objectives.Objective("edge", "it", kind, Decimal(target), route=route, **more)
