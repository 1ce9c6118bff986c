"""Before a connection reaches the connection manager: how many come in, from whom, and how many each may
hold.
"""

from typing import Any

from proxy.domain.tier import Penalty, Tier, seconds
from proxy.domain.translate import companions, kinds

COUNTER = "sluice_connections"
"""The cluster of the connection counter, and the name under which its statistics stand."""
ACCEPT_BRAKE = "sluice.accept_brake"
"""The runtime key that switches the brake on."""

# Linux's TCP_NOTSENT_LOWAT. Without it the kernel takes up to 4 MiB (tcp_wmem) of each answer off Envoy's
# hands: a slow reader costs that much memory outside every cap, and does not look slow. One value for all,
# since a listener whose socket options change is bound anew, and loses whoever waits at the old socket.
_UNSENT = {
    "description": "TCP_NOTSENT_LOWAT",
    "level": 6,
    "name": 25,
    "int_value": 65536,
    "state": "STATE_PREBIND",
}


def listener(tier: Tier, proxy: str) -> dict[str, Any]:
    """What a TCP listener has of its own against clients that are many or slow."""
    limits = tier.limits
    timeout = limits.per_connection_buffer_high_watermark_timeout
    guarded: dict[str, Any] = {
        "per_connection_buffer_limit_bytes": limits.buffer_bytes,
        # A slow reader: so long may a connection stay above its buffer limit.
        "per_connection_buffer_high_watermark_timeout": seconds(timeout),
        "socket_options": [_UNSENT],
        "listener_filters_timeout": seconds(limits.handshake_timeout),
        "listener_filters": listener_filters(tier),
    }
    if tier.protection.connection_balance == "exact":
        guarded["connection_balance_config"] = {"exact_balance": {}}
    if limits.max_connections_per_address is not None:
        guarded["access_log"] = [_ends(tier, proxy)]
    return guarded


def listener_filters(tier: Tier) -> list[dict[str, Any]]:
    """Those that come before any that looks at the client's bytes."""
    limits = tier.limits
    braked = {"default_value": False, "runtime_key": ACCEPT_BRAKE}
    accepts = [
        _accepts(tier.name, limits.max_accepts_per_second),
        _accepts(f"{tier.name}_braked", limits.braked_accepts_per_second, runtime_enabled=braked),
    ]
    return [*accepts, _proxy_protocol()] if tier.proxy_protocol else accepts


def _accepts(stat_prefix: str, per_second: int, **switch: Any) -> dict[str, Any]:
    """A storm of handshakes: what comes above the rate is closed before it costs any cryptography."""
    return kinds.extension(
        "envoy.filters.listener.local_ratelimit",
        "filters.listener.local_ratelimit.v3.LocalRateLimit",
        stat_prefix=stat_prefix,
        token_bucket={"max_tokens": per_second, "tokens_per_fill": per_second, "fill_interval": "1s"},
        **switch,
    )


def chains(tier: Tier, proxy: str, plain: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The filter chains, with each penalty's own before them: Envoy takes the narrowest range that
    matches.
    """
    counted = [_with_filters(chain, _counted(tier, proxy)) for chain in plain]
    return [*(_penal(penalty, chain) for penalty in tier.protection.penalties for chain in counted), *counted]


def clusters(tier: Tier) -> list[dict[str, Any]]:
    """The connection counter, where addresses are capped."""
    if tier.limits.max_connections_per_address is None:
        return []
    counter = tier.protection.connection_counter
    return [companions.cluster(COUNTER, [(counter.address, counter.port)])]


def _proxy_protocol() -> dict[str, Any]:
    """The balancer's word on who the client is. A connection without it is refused."""
    return kinds.extension(
        "envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol"
    )


def _penal(penalty: Penalty, chain: dict[str, Any]) -> dict[str, Any]:
    cap = kinds.extension(
        "envoy.filters.network.connection_limit",
        "filters.network.connection_limit.v3.ConnectionLimit",
        stat_prefix="penalty",
        max_connections=penalty.max_connections,
    )
    ranges = [_range(prefix) for prefix in penalty.prefixes]
    match = {**chain.get("filter_chain_match", {}), "source_prefix_ranges": ranges}
    return {**_with_filters(chain, [cap]), "filter_chain_match": match}


def _range(prefix: str) -> dict[str, Any]:
    address, _, length = prefix.partition("/")
    return {"address_prefix": address, "prefix_len": int(length)}


def _with_filters(chain: dict[str, Any], filters: list[dict[str, Any]]) -> dict[str, Any]:
    return {**chain, "filters": [*filters, *chain["filters"]]}


def _counted(tier: Tier, proxy: str) -> list[dict[str, Any]]:
    """Envoy asks the counter at a connection's first byte. It is let in where the counter does not answer: a
    dead companion must not close the tier.
    """
    if tier.limits.max_connections_per_address is None:
        return []
    return [
        kinds.extension(
            "envoy.filters.network.ext_authz",
            "filters.network.ext_authz.v3.ExtAuthz",
            stat_prefix=COUNTER,
            grpc_service={**_counter(tier, proxy), "timeout": "0.1s"},
            failure_mode_allow=True,
            transport_api_version="V3",
        )
    ]


def _ends(tier: Tier, proxy: str) -> dict[str, Any]:
    """Tells the counter of each connection's end."""
    return kinds.extension(
        "envoy.access_loggers.tcp_grpc",
        "access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
        common_config={
            "log_name": COUNTER,
            "grpc_service": _counter(tier, proxy),
            "transport_api_version": "V3",
            # Each by itself: an end that waits to be told still counts, against whoever comes again at once.
            "buffer_size_bytes": 0,
        },
    )


def _counter(tier: Tier, proxy: str) -> dict[str, Any]:
    """The counter keeps no configuration: each request says whose it is and what the cap is."""
    said = {
        "x-sluice-proxy": f"{tier.name}/{proxy}",
        "x-sluice-max-connections": str(tier.limits.max_connections_per_address),
    }
    metadata = [{"key": key, "value": value} for key, value in said.items()]
    return {"envoy_grpc": {"cluster_name": COUNTER}, "initial_metadata": metadata}
