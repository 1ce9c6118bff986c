"""Where a proxy listens: plain HTTP and TLS, with the same filters behind both."""

from typing import Any

from proxy.domain.tier import Proxy, Tier, seconds
from proxy.domain.translate import kinds, manager, tls


def listener_names(tier: Tier) -> tuple[str, str]:
    """The plain listener's name and the TLS listener's."""
    return f"{tier.name}-http", f"{tier.name}-https"


def listeners(tier: Tier, proxy: str) -> list[dict[str, Any]]:
    """The two listeners of one proxy. Their ports are its own, all else is the tier's."""
    here = tier.proxy(proxy)
    if here is None:
        return []
    plain, secure = listener_names(tier)
    inspector = kinds.extension(
        "envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector"
    )
    return [
        _listener(tier, here, plain, here.http_port, {}),
        _listener(tier, here, secure, here.https_port, {"transport_socket": tls.downstream(tier)})
        | {"listener_filters": [inspector]},
    ]


def _listener(tier: Tier, proxy: Proxy, name: str, port: int, chain: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": kinds.LISTENER,
        "name": name,
        "stat_prefix": name.replace("-", "_"),
        "address": {"socket_address": {"address": proxy.listen_address, "port_value": port}},
        "per_connection_buffer_limit_bytes": tier.limits.buffer_bytes,
        "filter_chains": [
            {
                "filters": [manager.connection_manager(tier)],
                "transport_socket_connect_timeout": seconds(tier.limits.handshake_timeout),
                **chain,
            }
        ],
    }
