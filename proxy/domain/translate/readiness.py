"""Where a balancer asks a proxy whether it should send clients there."""

from typing import Any

from proxy.domain.tier import Proxy, Tier
from proxy.domain.translate import kinds

PATH = "/ready"


def listeners(tier: Tier, proxy: Proxy) -> list[dict[str, Any]]:
    """One that answers 200 on PATH, or 503 while the proxy is drained; none without a port for it.

    It stands outside of every limit: a proxy that is full is not one that is gone.
    """
    if proxy.health_port is None:
        return []
    address = {"address": proxy.listen_address, "port_value": proxy.health_port}
    return [
        {
            "@type": kinds.LISTENER,
            "name": f"{tier.name}_ready",  # an underscore, which no tier's name can bear
            "address": {"socket_address": address},
            "ignore_global_conn_limit": True,
            "bypass_overload_manager": True,
            "filter_chains": [{"filters": [_manager()]}],
        }
    ]


def _manager() -> dict[str, Any]:
    asked = kinds.extension(
        "envoy.filters.http.health_check",
        "filters.http.health_check.v3.HealthCheck",
        pass_through_mode=False,
        headers=[{"name": ":path", "string_match": {"exact": PATH}}],
    )
    return kinds.extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="ready",
        route_config={"name": "ready"},
        http_filters=[asked, kinds.extension("envoy.filters.http.router", "filters.http.router.v3.Router")],
    )
