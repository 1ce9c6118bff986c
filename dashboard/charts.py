"""What the charts of tier and route pages ask for: as many queries as they have lines."""

from dataclasses import dataclass
from datetime import timedelta

from telemetry.domain import catalogue
from telemetry.domain.failure import ORIGINATORS
from telemetry.drawing import Line

MS, PERCENT = 1 / 1000, 100.0
MADE = {"proxy": "by the proxy", "backend": "by a backend"}
OF_TIER = ("added-latency", "errors", "saturation", "tls", "retries")
OF_ROUTE = ("added-latency", "errors")


@dataclass(frozen=True, slots=True)
class Specification:
    """A chart before it is asked for."""

    title: str
    unit: str
    lines: tuple[Line, ...]


def of_tier(slug: str, *, tier: str, window: timedelta) -> Specification:
    """One of `OF_TIER`."""
    return {
        "added-latency": _added,
        "errors": _errors,
        "saturation": _saturation,
        "tls": _tls,
        "retries": _retries,
    }[slug](tier, window)


def of_route(slug: str, *, tier: str, window: timedelta, route: str) -> Specification:
    """One of `OF_ROUTE`."""
    if slug == "errors":
        errors = {
            who: catalogue.errors(tier=tier, window=window, originator=who, route=route)
            for who in ORIGINATORS
        }
        lines = tuple(Line(MADE[who], promql) for who, promql in errors.items())
        reasons = catalogue.error_reasons(tier=tier, window=window, route=route)
        return Specification(
            "Failures by originator and reason", "/s", (*lines, Line("reason: ", reasons, by="reason"))
        )
    added = {
        quantile: catalogue.added_latency(tier=tier, window=window, quantile=quantile, route=route)
        for quantile in (0.99, 0.5)
    }
    return _latency(added[0.99], added[0.5])


def _added(tier: str, window: timedelta) -> Specification:
    p99, p50 = (
        catalogue.tier_added_latency(tier=tier, window=window, quantile=quantile) for quantile in (0.99, 0.5)
    )
    return _latency(p99, p50)


def _latency(p99: str, p50: str) -> Specification:
    return Specification("Added latency", "ms", (Line("p99", p99, MS), Line("p50", p50, MS)))


def _errors(tier: str, window: timedelta) -> Specification:
    lines = (
        Line(MADE[who], catalogue.tier_errors(tier=tier, window=window, originator=who))
        for who in ORIGINATORS
    )
    reasons = catalogue.tier_reasons(tier=tier, window=window)
    return Specification(
        "Failures by originator and reason", "/s", (*lines, Line("reason: ", reasons, by="reason"))
    )


def _saturation(tier: str, window: timedelta) -> Specification:
    pool = catalogue.pool_saturation(tier=tier, resource="connections")
    return Specification(
        "Saturation",
        "%",
        (
            Line("busiest worker", f"max({catalogue.worker_busy(tier=tier, window=window)})", PERCENT),
            Line("fullest pool", f"max({pool})", PERCENT),
            Line("heap of its cap", catalogue.pressure(tier=tier, monitor="fixed_heap")),
            Line(
                "connections of their cap",
                catalogue.pressure(tier=tier, monitor="global_downstream_max_connections"),
            ),
        ),
    )


def _tls(tier: str, window: timedelta) -> Specification:
    return Specification(
        "TLS handshakes",
        "/s",
        (
            Line("all that succeeded", catalogue.tls_handshakes(tier=tier, window=window)),
            Line("resumed", catalogue.tls_resumed(tier=tier, window=window)),
            Line("failed", catalogue.tls_failures(tier=tier, window=window)),
        ),
    )


def _retries(tier: str, window: timedelta) -> Specification:
    return Specification(
        "Retries",
        "/s",
        (
            Line("sent", f"sum({catalogue.retries_by_upstream(tier=tier, window=window)})"),
            Line(
                "refused by the budget", f"sum({catalogue.retry_budget_exhaustion(tier=tier, window=window)})"
            ),
        ),
    )
