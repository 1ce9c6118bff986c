"""The indicators that a signal may name: PromQL that the pages show too, by tier and window."""

from collections.abc import Callable
from datetime import timedelta

from telemetry.domain import catalogue, clients, endpoints, handshakes
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
    "tls_resumption": _rates(catalogue.tls_resumption),
    "worker_busy": _rates(catalogue.worker_busy),
    "active_connections": lambda tier, window: catalogue.active_connections(tier=tier),
    "connections_saturation": lambda tier, window: catalogue.pool_saturation(
        tier=tier, resource="connections"
    ),
    "requests_saturation": lambda tier, window: catalogue.pool_saturation(tier=tier, resource="requests"),
    "pending_saturation": lambda tier, window: catalogue.pool_saturation(tier=tier, resource="pending"),
    # By upstream, those of single endpoints by endpoint as well.
    "endpoint_requests": _rates(endpoints.requests),
    "endpoint_failures": _rates(endpoints.failures),
    "endpoint_streams": _rates(endpoints.streams),
    "endpoint_connections": _rates(endpoints.connections),
    "endpoint_latency": _rates(endpoints.latency),
    "endpoint_slowness": _rates(endpoints.slowness),
    "request_skew": _rates(endpoints.request_skew),
    "stream_skew": _rates(endpoints.stream_skew),
    "connection_skew": _rates(endpoints.connection_skew),
    "upstream_requests": _rates(endpoints.upstream_requests),
    "upstream_failed_share": _rates(endpoints.failed_share),
    "worst_endpoint_failed_share": _rates(endpoints.worst_share),
    "best_endpoint_failed_share": _rates(endpoints.best_share),
    "answer_time": _rates(endpoints.answer_time),
    "answer_time_surge": _rates(endpoints.answer_time_surge),
    "attempt_timeouts": _rates(endpoints.timeouts),
    "queued": _rates(endpoints.queued),
    "overflowed": _rates(endpoints.overflowed),
    "shed": _rates(endpoints.shed),
    "ejected": lambda tier, window: endpoints.ejected(tier=tier),
    "ejections_refused": _rates(endpoints.ejections_refused),
    "healthy_share": lambda tier, window: endpoints.healthy_share(tier=tier),
    # Of the whole tier.
    "fresh_handshakes": _rates(handshakes.fresh),
    "fresh_handshake_surge": _rates(handshakes.surge),
    "request_surge": _rates(handshakes.request_surge),
    "worker_usually_busy": _rates(handshakes.usually_busy),
    "cores": _rates(handshakes.cores),
    "workers": _rates(handshakes.workers),
    "tls_failed_share": _rates(handshakes.failed_share),
    "refused_accepts": _rates(handshakes.refused_accepts),
    "client_connections": _rates(clients.connections),
    "connections_fullest": lambda tier, window: clients.fullest(tier=tier),
    "requests_held": _rates(clients.held),
    "requests_at_backends": _rates(clients.at_backends),
    "requests_unsent": _rates(clients.unsent),
    "requests_ended": _rates(clients.ended),
    "request_age": _rates(clients.age),
    "slow_clients_cut": _rates(clients.cut),
    "slow_clients_timed_out": _rates(clients.timed_out),
    "answers_unread": lambda tier, window: clients.unread(tier=tier),
    "answers_buffered": _rates(clients.buffered),
    "connections_refused": _rates(clients.refused),
    "connections_by_address": lambda tier, window: clients.by_address(tier=tier),
}


def filled(promql: str, tier: str, window: timedelta) -> str:
    """A runbook's own PromQL for this tier and window: `$tier` stands inside a quoted label's value."""
    return promql.replace("$tier", escape(tier)).replace("$lookback", duration(window))
