"""What Prometheus would answer to a tick, for a tier whose traffic was steady."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from proxy.domain.tier import Tier
from slo.domain import objectives
from slo.domain.indicators import indicator, sli
from slo.domain.readings import QUERIES
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
    counted = [(one, counts) for one in wanted for counts in _counts(one, traffic)]

    def labels(one: objectives.Objective, window: str, **more: str) -> dict[str, str]:
        where = {"sli": sli(one), "tier": "edge", "route": one.route, "upstream": one.upstream}
        return {**where, "window": window, **more}

    at = [(duration(span), min(span, age).total_seconds()) for span in SPANS]
    held.answer(
        QUERIES.events,
        [(labels(one, w), seconds * counts.rate) for one, counts in counted for w, seconds in at],
    )
    held.answer(
        QUERIES.bad,
        [
            (labels(one, w, originator=made), seconds * bad)
            for one, counts in counted
            for made, bad in counts.bad.items()
            for w, seconds in at
        ],
    )
    coverage = [({"tier": "edge", "window": duration(span)}, min(1.0, age / span)) for span in SPANS]
    held.answer(QUERIES.coverage, coverage)
    held.answer(catalogue.faults(window=SHORT[0]), [])
    held.answer(QUERIES.scraped, [({"tier": "edge"}, scraped.timestamp())])
    return held


@dataclass(frozen=True)
class _Counted:
    """Events a second, and the bad ones by who made them."""

    rate: float
    bad: dict[str, float]


def _counts(one: objectives.Objective, traffic: Iterable[Traffic]) -> list[_Counted]:
    """What the objective counts of its route, or of all routes together; nothing without traffic."""
    of = [each for each in traffic if one.route in ("", each.route)]
    if not of:
        return []
    made: dict[str, float] = {
        "proxy": sum(each.rate * (each.slow if "latency" in one.kind else each.proxy) for each in of),
        "backend": sum(each.rate * each.backend for each in of),
        "other": 0.0,
    }
    bad: dict[str, float] = {who: made[who] for who in indicator(one).bad}
    return [_Counted(sum(each.rate for each in of), bad)]


def only(kind: objectives.Kind, target: str, **more: Any) -> objectives.Objective:
    """One objective of the route shop, or of the tier for another kind."""
    route = {"route": "shop"} if kind == "route_availability" else {}
    return objectives.Objective("edge", "it", kind, Decimal(target), **{**route, **more})
