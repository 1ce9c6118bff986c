"""Which endpoints are asked for nothing: those that fail their health checks."""

from typing import Any

from proxy.domain.tier import Upstream, seconds
from proxy.domain.tier.health import HealthCheck

ENVOYS_OWN_PERCENT = 50


def of_cluster(upstream: Upstream) -> dict[str, Any]:
    """The cluster's fields. Below the panic threshold health is ignored: few would bear the whole load."""
    threshold, check = upstream.healthy_panic_threshold, upstream.health_check
    panic = {"common_lb_config": {"healthy_panic_threshold": {"value": threshold}}}
    found = {} if threshold == ENVOYS_OWN_PERCENT else panic
    if check is None:
        return found
    return {
        **found,
        "health_checks": [_check(check, upstream)],
        # An endpoint that is taken away is gone, though it would pass its checks.
        "ignore_health_on_host_removal": True,
    }


def _check(check: HealthCheck, upstream: Upstream) -> dict[str, Any]:
    return {
        "timeout": seconds(check.timeout),
        "interval": seconds(check.interval),
        "interval_jitter_percent": round(check.interval_jitter_percent),
        "no_traffic_interval": seconds(check.no_traffic_interval),
        "unhealthy_threshold": check.unhealthy_threshold,
        "healthy_threshold": check.healthy_threshold,
        **_question(check, upstream),
    }


def _question(check: HealthCheck, upstream: Upstream) -> dict[str, Any]:
    if check.type == "tcp":
        return {"tcp_health_check": {}}
    if check.type == "grpc":
        return {"grpc_health_check": {"service_name": check.service_name}}
    asked: dict[str, Any] = {
        "path": check.path,
        "expected_statuses": [{"start": status, "end": status + 1} for status in check.expected_statuses],
    }
    if check.host is not None:
        asked["host"] = check.host
    if upstream.protocol == "http2":
        asked["codec_client_type"] = "HTTP2"
    return {"http_health_check": asked}
