"""Where a proxy listens: plain HTTP and TLS, with the same filters behind both."""

from typing import Any

from proxy.domain.tier import Limits, Proxy, Tier, seconds
from proxy.domain.translate import kinds, measuring, retries
from proxy.domain.translate.secrets import certificate_name, tickets_name


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
        _listener(tier, here, secure, here.https_port, {"transport_socket": _tls(tier)})
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
                "filters": [_connection_manager(tier)],
                "transport_socket_connect_timeout": seconds(tier.limits.handshake_timeout),
                **chain,
            }
        ],
    }


def _tls(tier: Tier) -> dict[str, Any]:
    return kinds.extension(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "ecdh_curves": ["X25519", "P-256"]},
            "tls_certificate_sds_secret_configs": [
                {"name": certificate_name(tier), "sds_config": kinds.OVER_ADS}
            ],
        },
        session_ticket_keys_sds_secret_config={"name": tickets_name(tier), "sds_config": kinds.OVER_ADS},
    )


def _connection_manager(tier: Tier) -> dict[str, Any]:
    limits = tier.limits
    return kinds.extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=tier.name,
        codec_type="AUTO",
        rds={"route_config_name": tier.name, "config_source": kinds.OVER_ADS},
        http_filters=[_router(tier)],
        access_log=measuring.request_logs(tier),
        generate_request_id=True,
        record_route_resolution_stats=True,
        **_trust(),
        **_slow_clients(limits),
    )


def _trust() -> dict[str, Any]:
    """The client's address is the peer's, and no address is internal: nobody outside speaks for Sluice or
    Envoy.
    """
    return {
        "use_remote_address": True,
        "internal_address_config": {"unix_sockets": False, "cidr_ranges": []},
        "early_header_mutation_extensions": [
            kinds.extension(
                "envoy.http.early_header_mutation.header_mutation",
                "http.early_header_mutation.header_mutation.v3.HeaderMutation",
                mutations=[_without("x-sluice-"), _without("x-envoy-")],
            )
        ],
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
    }


def _without(prefix: str) -> dict[str, Any]:
    return {"remove_on_match": {"key_matcher": {"prefix": prefix, "ignore_case": True}}}


def _slow_clients(limits: Limits) -> dict[str, Any]:
    """What a client may hold and for how long, before it is cut."""
    return {
        "common_http_protocol_options": {
            "idle_timeout": seconds(limits.idle_timeout),
            "max_headers_count": 100,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": limits.max_concurrent_streams,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1048576,
            # Rapid reset (CVE-2023-44487): a client may open and reset so many streams, and so many a second.
            "stream_reset_burst": 200,
            "stream_reset_rate": 50,
        },
        "max_request_headers_kb": limits.max_headers_kb,
        "request_headers_timeout": seconds(limits.request_headers_timeout),
        "request_timeout": seconds(limits.request_timeout),
        "stream_idle_timeout": seconds(limits.stream_idle_timeout),
        "delayed_close_timeout": "1s",
    }


def _router(tier: Tier) -> dict[str, Any]:
    """The filters below the router run in each attempt, before it is decided whether there is another."""
    mark = kinds.extension(
        "envoy.filters.http.lua",
        "filters.http.lua.v3.Lua",
        default_source_code={"inline_string": retries.MARK_RETRIABLE},
    )
    codec = kinds.extension(
        "envoy.filters.http.upstream_codec", "filters.http.upstream_codec.v3.UpstreamCodec"
    )
    return kinds.extension(
        "envoy.filters.http.router",
        "filters.http.router.v3.Router",
        upstream_log=[measuring.attempt_log()],
        upstream_http_filters=[mark, codec],
    )
