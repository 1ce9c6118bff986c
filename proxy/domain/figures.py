"""Indicators as the documents of the API: plain names, units in the names, null for no data."""

from datetime import datetime, timedelta
from typing import Any

from telemetry.domain.indicators import ArmIndicators, Figure, RouteIndicators, TierIndicators

MICROSECONDS_PER_MS = 1000


def route_document(
    seen: RouteIndicators | None, *, tier: str, route: str, at: datetime, window: timedelta
) -> dict[str, Any]:
    """One route. Without a request in the window every figure is null: no data is not zero."""
    head = {"tier": tier, "route": route, "at": at, "window_seconds": window.total_seconds()}
    if seen is None:
        nothing: dict[str, Any] = {"per_second": None, "ratio": None, "reasons": {}}
        return {
            **head,
            "age_seconds": None,
            "requests_per_second": None,
            "added_latency_ms": {"p50": None, "p99": None},
            "latency_ms": {"p50": None, "p99": None},
            "errors": {"proxy": nothing, "backend": nothing},
            "first_attempts": {},
            "retries_per_second": None,
            "promql": {},
        }
    own = {name: figure.value for name, figure in seen.reasons.items() if name != "backend"}
    passed = {name: figure.value for name, figure in seen.reasons.items() if name == "backend"}
    return {
        **head,
        "age_seconds": _seconds(seen.age),
        "requests_per_second": seen.requests.value,
        "added_latency_ms": {"p50": _ms(seen.added_p50), "p99": _ms(seen.added_p99)},
        "latency_ms": {"p50": _ms(seen.total_p50), "p99": _ms(seen.total_p99)},
        "errors": {
            "proxy": _errors(seen.proxy_errors, seen.proxy_error_ratio, own),
            "backend": _errors(seen.backend_errors, seen.backend_error_ratio, passed),
        },
        "first_attempts": {name: _arm(arm) for name, arm in seen.arms.items()},
        "retries_per_second": seen.retries.value,
        "promql": {
            "requests": seen.requests.promql,
            "errors_proxy": seen.proxy_errors.promql,
            "errors_backend": seen.backend_errors.promql,
            "added_latency_p99": seen.added_p99.promql,
            "retries": seen.retries.promql,
        },
    }


def tier_document(seen: TierIndicators) -> dict[str, Any]:
    """A whole tier."""
    return {
        "tier": seen.tier,
        "at": seen.at,
        "window_seconds": seen.window.total_seconds(),
        "age_seconds": _seconds(seen.age),
        "requests_per_second": seen.requests.value,
        "added_latency_ms": {"p50": _ms(seen.added_p50), "p99": _ms(seen.added_p99)},
        "route_resolution_ms": {"p99": _ms(seen.routing_p99)},
        "errors": {
            "proxy": _errors(seen.proxy_errors, seen.proxy_error_ratio),
            "backend": _errors(seen.backend_errors, seen.backend_error_ratio),
        },
        "tls": {
            "handshakes_per_second": seen.tls_handshakes.value,
            "failures_per_second": seen.tls_failures.value,
            "resumption_ratio": seen.tls_resumption.value,
        },
        "saturation": {
            "active_connections": seen.active_connections.value,
            "upstreams": {
                name: {
                    "connections_ratio": row.connections.value,
                    "requests_ratio": row.requests.value,
                    "pending_ratio": row.pending.value,
                }
                for name, row in seen.upstreams.items()
            },
            "proxies": {
                name: {
                    "up": row.up,
                    "active_connections": row.active_connections.value,
                    "worker_busy_ratio": row.worker_busy.value,
                    "memory_bytes": row.memory.value,
                }
                for name, row in seen.proxies.items()
            },
        },
        "retries": {
            name: {
                "per_second": row.retries.value,
                "budget_exhaustion_per_second": row.retry_budget_exhaustion.value,
            }
            for name, row in seen.upstreams.items()
        },
    }


def _arm(arm: ArmIndicators) -> dict[str, float | None]:
    return {
        "per_second": arm.first_attempts.value,
        "errors_per_second": arm.first_attempt_errors.value,
        "error_ratio": arm.first_attempt_error_ratio,
        "retries_per_second": arm.retries.value,
    }


def _errors(
    figure: Figure, ratio: float | None, reasons: dict[str, float | None] | None = None
) -> dict[str, Any]:
    document: dict[str, Any] = {"per_second": figure.value, "ratio": ratio}
    return document if reasons is None else {**document, "reasons": reasons}


def _ms(figure: Figure) -> float | None:
    return None if figure.value is None else figure.value / MICROSECONDS_PER_MS


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
