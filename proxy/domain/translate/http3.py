"""HTTP/3: a listener on the UDP side of the HTTPS port, and the header that tells clients of it."""

from typing import Any

from proxy.domain.tier import Proxy, Tier, seconds
from proxy.domain.translate import kinds, manager, protection, tls

_OFFER_LIFE_SECONDS = 86_400


def is_served(tier: Tier) -> bool:
    """Only where no other protection would be gone around by it: no PROXY header goes with a datagram, and
    QUIC's connections are not counted by address.
    """
    by_address = tier.limits.max_connections_per_address is not None
    return tier.tls.http3 and not tier.proxy_protocol and not by_address


def listener_name(tier: Tier) -> str:
    return f"{tier.name}-http3"


def listener(tier: Tier, proxy: Proxy) -> dict[str, Any]:
    """The same manager as behind TLS, so that the same is decided, measured and limited."""
    address = {"protocol": "UDP", "address": proxy.listen_address, "port_value": proxy.https_port}
    name, limits = listener_name(tier), tier.limits
    quic = {
        "quic_protocol_options": _streams(tier),
        "idle_timeout": seconds(limits.idle_timeout),
        "crypto_handshake_timeout": seconds(limits.handshake_timeout),
    }
    chain = {"filters": [_limit(tier), _manager(tier)], "transport_socket": tls.quic(tier)}
    return {
        "@type": kinds.LISTENER,
        "name": name,
        "stat_prefix": name.replace("-", "_"),
        "address": {"socket_address": address},
        "per_connection_buffer_limit_bytes": limits.buffer_bytes,
        "udp_listener_config": {"quic_options": quic, "downstream_socket_config": {"prefer_gro": True}},
        "filter_chains": protection.chains(tier, proxy.name, [chain]),
    }


def offered(tier: Tier, proxy: Proxy) -> dict[str, Any]:
    """The manager behind TLS over TCP. Each answer tells the client of HTTP/3, where that is served."""
    made = manager.connection_manager(tier)
    if is_served(tier):
        made["typed_config"]["http_filters"].insert(0, _offer(tier, proxy))
    return made


def _offer(tier: Tier, proxy: Proxy) -> dict[str, Any]:
    """The port is the one that clients see."""
    port = tier.tls.http3_port or proxy.https_port
    value = f'h3=":{port}"; ma={_OFFER_LIFE_SECONDS}'
    header = {"header": {"key": "alt-svc", "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return kinds.extension(
        "envoy.filters.http.header_mutation",
        "filters.http.header_mutation.v3.HeaderMutation",
        mutations={"response_mutations": [{"append": header}]},
    )


def _manager(tier: Tier) -> dict[str, Any]:
    made = manager.connection_manager(tier)
    options = {"quic_protocol_options": _streams(tier)}
    made["typed_config"] |= {"codec_type": "HTTP3", "http3_protocol_options": options}
    return made


def _limit(tier: Tier) -> dict[str, Any]:
    """The runtime's limit of a listener counts what TCP accepts, not QUIC's connections."""
    return kinds.extension(
        "envoy.filters.network.connection_limit",
        "filters.network.connection_limit.v3.ConnectionLimit",
        stat_prefix=listener_name(tier).replace("-", "_"),
        max_connections=tier.limits.max_connections,
    )


def _streams(tier: Tier) -> dict[str, Any]:
    return {
        "max_concurrent_streams": tier.limits.max_concurrent_streams,
        "initial_stream_window_size": 65536,
        "initial_connection_window_size": 1048576,
        "idle_network_timeout": seconds(tier.limits.idle_timeout),
    }
