"""The connections to an upstream: how many, how long, in which protocol, and which endpoint gets a request.

A pool belongs to its cluster, so that a slow upstream fills its own and nobody else's: that is the bulkhead.
"""

from typing import Any

from proxy.domain import budgets
from proxy.domain.tier import Upstream, seconds
from proxy.domain.tier.upstreams import HashOn
from proxy.domain.translate import kinds

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

ALPN = {"http1": ("http/1.1",), "http2": ("h2",), "auto": ("h2", "http/1.1")}
"""What is offered to an endpoint within the TLS handshake, by the upstream's protocol."""

# Flow control: what an endpoint may send before the client has read.
_HTTP2 = {"initial_stream_window_size": 65536, "initial_connection_window_size": 1048576}
_PROTOCOL: dict[str, dict[str, Any]] = {
    "http1": {"explicit_http_config": {"http_protocol_options": {}}},
    "http2": {"explicit_http_config": {"http2_protocol_options": _HTTP2}},
    "auto": {"auto_config": {"http_protocol_options": {}, "http2_protocol_options": _HTTP2}},
}


def circuit_breakers(upstream: Upstream) -> dict[str, Any]:
    """The caps of a pool, and of the part of it that one endpoint may have."""
    per_endpoint = upstream.circuit_breaker.max_connections_per_endpoint
    if per_endpoint is None:
        return {"thresholds": [_thresholds(upstream)]}
    return {
        "thresholds": [_thresholds(upstream)],
        "per_host_thresholds": [{"max_connections": per_endpoint}],
    }


def _thresholds(upstream: Upstream) -> dict[str, Any]:
    breaker, budget = upstream.circuit_breaker, upstream.retry_budget
    retry_budget: dict[str, Any] = {
        "budget_percent": {"value": budgets.of_all(budget.percent)},
        "min_retry_concurrency": budget.min_concurrency,
    }
    if budget.budget_interval is not None:
        retry_budget["budget_interval"] = seconds(budget.budget_interval)
    return {
        "max_connections": breaker.max_connections,
        "max_pending_requests": breaker.max_pending_requests,
        "max_requests": breaker.max_requests,
        # Unset, the gauge of remaining pools wraps to 1.8e19.
        "max_connection_pools": 64,
        "track_remaining": True,
        "retry_budget": retry_budget,
    }


def protocol(upstream: Upstream) -> dict[str, Any]:
    """`typed_extension_protocol_options` of a cluster."""
    options = {
        "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
        "common_http_protocol_options": _connection(upstream),
        **_PROTOCOL[upstream.protocol],
    }
    return {HTTP_OPTIONS: options}


def _connection(upstream: Upstream) -> dict[str, Any]:
    connection = upstream.connection
    options: dict[str, Any] = {"idle_timeout": seconds(connection.idle_timeout)}
    if connection.max_requests_per_connection is not None:
        options["max_requests_per_connection"] = connection.max_requests_per_connection
    if connection.max_connection_duration is not None:
        options["max_connection_duration"] = seconds(connection.max_connection_duration)
    return options


def balancing(upstream: Upstream) -> dict[str, Any]:
    """Which endpoint gets a request. Hashing says itself what it hashes: the route's hash is the split's."""
    if upstream.hash_on is None:
        return {"lb_policy": upstream.lb_policy.upper()}
    name = "ring_hash" if upstream.lb_policy == "ring_hash" else "maglev"
    message = "RingHash" if name == "ring_hash" else "Maglev"
    policy = kinds.extension(
        f"envoy.load_balancing_policies.{name}",
        f"load_balancing_policies.{name}.v3.{message}",
        consistent_hashing_lb_config={"hash_policy": [_hash_policy(upstream.hash_on)]},
    )
    return {"load_balancing_policy": {"policies": [{"typed_extension_config": policy}]}}


def _hash_policy(on: HashOn) -> dict[str, Any]:
    if on.header is not None:
        return {"header": {"header_name": on.header}}
    if on.cookie is not None:
        return {"cookie": {"name": on.cookie}}
    if on.query_parameter is not None:
        return {"query_parameter": {"name": on.query_parameter}}
    return {"connection_properties": {"source_ip": True}}
