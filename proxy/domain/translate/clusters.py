"""Upstreams as clusters, and their endpoints."""

from typing import Any

from proxy.domain.tier import Endpoint, OutlierDetection, Tier, Upstream, is_ip, seconds
from proxy.domain.translate import kinds

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def clusters(tier: Tier) -> list[dict[str, Any]]:
    """One cluster an upstream, under the upstream's name."""
    return [_cluster(tier, upstream) for upstream in tier.upstreams]


def assignments(tier: Tier) -> list[dict[str, Any]]:
    """The endpoints of the upstreams whose addresses need no resolver."""
    return [_assignment(upstream) for upstream in tier.upstreams if _by_address(upstream)]


def _cluster(tier: Tier, upstream: Upstream) -> dict[str, Any]:
    cluster: dict[str, Any] = {
        "@type": kinds.CLUSTER,
        "name": upstream.name,
        "connect_timeout": seconds(upstream.connect_timeout),
        **_discovery(upstream),
        # Of two endpoints drawn at random the one with fewer requests: slow ones get less, and the many calls
        # of one HTTP/2 connection spread over the backends.
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": tier.limits.buffer_bytes,
        "track_cluster_stats": {"per_endpoint_stats": True, "timeout_budgets": True},
        "circuit_breakers": {"thresholds": [_thresholds(upstream)]},
        "typed_extension_protocol_options": {_HTTP_OPTIONS: _protocol(upstream)},
    }
    if upstream.ejects:
        cluster["outlier_detection"] = _outlier_detection(upstream.outlier_detection)
    return cluster


def _by_address(upstream: Upstream) -> bool:
    return all(is_ip(endpoint.address) for endpoint in upstream.endpoints)


def _discovery(upstream: Upstream) -> dict[str, Any]:
    """EDS takes addresses only; host names are resolved by the proxy, all of the upstream's then."""
    if _by_address(upstream):
        return {"type": "EDS", "eds_cluster_config": {"eds_config": kinds.OVER_ADS}}
    assignment = {key: value for key, value in _assignment(upstream).items() if key != "@type"}
    return {"type": "STRICT_DNS", "load_assignment": assignment}


def _assignment(upstream: Upstream) -> dict[str, Any]:
    return {
        "@type": kinds.ENDPOINTS,
        "cluster_name": upstream.name,
        "endpoints": [{"lb_endpoints": [_endpoint(endpoint) for endpoint in upstream.endpoints]}],
    }


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    address = {"socket_address": {"address": endpoint.address, "port_value": endpoint.port}}
    return {"endpoint": {"address": address}}


def _thresholds(upstream: Upstream) -> dict[str, Any]:
    breaker, budget = upstream.circuit_breaker, upstream.retry_budget
    return {
        "max_connections": breaker.max_connections,
        "max_pending_requests": breaker.max_pending_requests,
        "max_requests": breaker.max_requests,
        # Unset, the gauge of remaining pools wraps to 1.8e19.
        "max_connection_pools": 64,
        "track_remaining": True,
        "retry_budget": {
            "budget_percent": {"value": budget.percent},
            "min_retry_concurrency": budget.min_concurrency,
        },
    }


def _protocol(upstream: Upstream) -> dict[str, Any]:
    http2 = {"initial_stream_window_size": 65536, "initial_connection_window_size": 1048576}
    explicit = (
        {"http2_protocol_options": http2} if upstream.protocol == "http2" else {"http_protocol_options": {}}
    )
    return {
        "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
        "common_http_protocol_options": {"idle_timeout": "60s"},
        "explicit_http_config": explicit,
    }


def _outlier_detection(settings: OutlierDetection) -> dict[str, Any]:
    """Only failures in a row eject. A rate of failures is for the judge: an ejection would hide it from the
    judge.

    A 500 is an application's answer, so it ejects nothing. `split_external_local_origin_errors` stays false:
    when it is true, the success of each connect resets the count of timeouts, and a serial client's slow
    backend is never ejected.
    """
    return {
        "interval": seconds(settings.interval),
        "base_ejection_time": seconds(settings.base_ejection_time),
        "max_ejection_percent": settings.max_ejection_percent,
        "split_external_local_origin_errors": False,
        "consecutive_5xx": 0,
        "enforcing_consecutive_5xx": 0,
        "consecutive_gateway_failure": settings.consecutive_failures,
        "enforcing_consecutive_gateway_failure": 100,
        "enforcing_success_rate": 0,
    }
