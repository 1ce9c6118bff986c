"""The HTTP connection manager: what is done with a client's bytes before and after the filters."""

from typing import Any

from proxy.domain.tier import Limits, Tier, seconds
from proxy.domain.translate import filters, kinds, measuring


def connection_manager(tier: Tier) -> dict[str, Any]:
    """The same for every listener of a tier."""
    limits = tier.limits
    return kinds.extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=tier.name,
        codec_type="AUTO",
        rds={"route_config_name": tier.name, "config_source": kinds.OVER_ADS},
        http_filters=filters.http_filters(tier),
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
