"""The indicators that a signal may name: PromQL that the pages show too, by tier and window."""

from collections.abc import Callable
from datetime import timedelta

from telemetry.domain import catalogue
from telemetry.domain.promql import duration, escape

Query = Callable[[str, timedelta], str]


def _rates(query: Callable[..., str], **fixed: object) -> Query:
    return lambda tier, window: query(tier=tier, window=window, **fixed)


INDICATORS: dict[str, Query] = {
    "requests": _rates(catalogue.requests),
    "proxy_errors": _rates(catalogue.errors, originator="proxy"),
    "backend_errors": _rates(catalogue.errors, originator="backend"),
    "first_attempts": _rates(catalogue.first_attempts),
    "first_attempt_errors": _rates(catalogue.first_attempt_errors),
    "retries": _rates(catalogue.retries),
    "failed_retries": _rates(catalogue.failed_retries),
    "retry_budget_exhaustion": _rates(catalogue.retry_budget_exhaustion),
    "added_latency_p99": _rates(catalogue.added_latency, quantile=0.99),
    "tls_handshakes": _rates(catalogue.tls_handshakes),
    "tls_resumed": _rates(catalogue.tls_resumed),
    "tls_failures": _rates(catalogue.tls_failures),
    "worker_busy": _rates(catalogue.worker_busy),
    "active_connections": lambda tier, window: catalogue.active_connections(tier=tier),
    "connections_saturation": lambda tier, window: catalogue.pool_saturation(
        tier=tier, resource="connections"
    ),
    "requests_saturation": lambda tier, window: catalogue.pool_saturation(tier=tier, resource="requests"),
    "pending_saturation": lambda tier, window: catalogue.pool_saturation(tier=tier, resource="pending"),
}


def filled(promql: str, tier: str, window: timedelta) -> str:
    """A runbook's own PromQL for this tier and window: `$tier` stands inside a quoted label's value."""
    return promql.replace("$tier", escape(tier)).replace("$lookback", duration(window))
