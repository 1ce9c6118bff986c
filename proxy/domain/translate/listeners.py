"""Where a proxy listens: plain HTTP, TLS and HTTP/3, with the same filters behind all of them."""

from typing import Any

from proxy.domain.tier import Proxy, Tier, seconds
from proxy.domain.translate import administration, http3, kinds, manager, protection, readiness, tls


def listener_names(tier: Tier) -> tuple[str, str]:
    """The plain listener's name and the TLS listener's: those that accept connections of TCP."""
    return f"{tier.name}-http", f"{tier.name}-https"


def listeners(tier: Tier, proxy: str) -> list[dict[str, Any]]:
    """The listeners of one proxy. Their ports are its own, all else is the tier's."""
    here = tier.proxy(proxy)
    if here is None:
        return []
    plain, secure = listener_names(tier)
    inspector = kinds.extension(
        "envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector"
    )
    chain = {"transport_socket": tls.downstream(tier), "filters": [http3.offered(tier, here)]}
    found = [
        _listener(tier, here, plain, here.http_port, {}),
        _listener(tier, here, secure, here.https_port, chain)
        | {"listener_filters": [*protection.listener_filters(tier), inspector]},
    ]
    if http3.is_served(tier):
        found.append(http3.listener(tier, here))
    return [*found, *readiness.listeners(tier, here), *administration.listeners(tier, here)]


def _listener(tier: Tier, proxy: Proxy, name: str, port: int, chain: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": kinds.LISTENER,
        "name": name,
        "stat_prefix": name.replace("-", "_"),
        "address": {"socket_address": {"address": proxy.listen_address, "port_value": port}},
        **protection.listener(tier, proxy.name),
        "filter_chains": protection.chains(
            tier,
            proxy.name,
            [
                {
                    "filters": [manager.connection_manager(tier)],
                    "transport_socket_connect_timeout": seconds(tier.limits.handshake_timeout),
                    **chain,
                }
            ],
        ),
    }
