"""The HTTP connection manager: what is done with a client's bytes before and after the filters."""

from typing import Any

from proxy.domain.tier import Limits, Tier, seconds
from proxy.domain.translate import (
    filters,
    identity,
    kinds,
    logging,
    measuring,
    tracing,
    transforming,
    uploads,
)


def connection_manager(tier: Tier) -> dict[str, Any]:
    """The same for every listener of a tier."""
    return kinds.extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=tier.name,
        codec_type="AUTO",
        rds={"route_config_name": tier.name, "config_source": kinds.OVER_ADS},
        http_filters=filters.http_filters(tier),
        access_log=[*measuring.request_logs(tier), *logging.lines(tier)],
        generate_request_id=True,
        request_id_extension=_steady_id(),
        **transforming.server_header(tier),
        record_route_resolution_stats=True,
        **_trust(tier),
        **_client_certificate(tier),
        **_slow_clients(tier),
        **tracing.tracing(tier),
    )


def _steady_id() -> dict[str, Any]:
    """A request's id as it was when its arm was drawn by it.

    By default Envoy marks the tracing decision in the id after the route is chosen; as a visitor's cookie,
    that would draw another arm.
    """
    steady = kinds.extension("uuid", "request_id.uuid.v3.UuidRequestIdConfig", pack_trace_reason=False)
    return {"typed_config": steady["typed_config"]}


def _trust(tier: Tier) -> dict[str, Any]:
    """The client's address is the peer's, and no address is internal: nobody outside speaks for Sluice or
    Envoy.
    """
    return {
        "use_remote_address": True,
        # An address that nobody has: an empty list means all private ones, whose request ids are believed.
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "early_header_mutation_extensions": [
            kinds.extension(
                "envoy.http.early_header_mutation.header_mutation",
                "http.early_header_mutation.header_mutation.v3.HeaderMutation",
                mutations=[
                    _without("x-sluice-"),
                    _without("x-envoy-"),
                    *({"remove": header} for header in identity.untrusted(tier)),
                    *({"remove": header} for header in tracing.untrusted(tier)),
                ],
            )
        ],
        # `shop.test.` is shop.test, and must not go by what a wider host's routes demand.
        "strip_trailing_host_dot": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
    }


def _client_certificate(tier: Tier) -> dict[str, Any]:
    """Who the client's certificate says that it is, for the backends, in x-forwarded-client-cert: never the
    client's own word.
    """
    if tier.tls.client_certificates is None:
        return {"forward_client_cert_details": "SANITIZE"}
    told = {"subject": True, "uri": True, "dns": True}
    return {"forward_client_cert_details": "SANITIZE_SET", "set_current_client_cert_details": told}


def _without(prefix: str) -> dict[str, Any]:
    return {"remove_on_match": {"key_matcher": {"prefix": prefix, "ignore_case": True}}}


def _slow_clients(tier: Tier) -> dict[str, Any]:
    """What a client may hold and for how long, before it is cut or sent to begin again elsewhere."""
    limits = tier.limits
    return {
        "common_http_protocol_options": _connection(limits),
        "http1_safe_max_connection_duration": True,
        "http2_protocol_options": _http2(limits),
        "max_request_headers_kb": limits.max_headers_kb,
        "request_headers_timeout": seconds(limits.request_headers_timeout),
        "request_timeout": seconds(uploads.patience(tier).longest),
        "stream_idle_timeout": seconds(limits.stream_idle_timeout),
        "stream_flush_timeout": seconds(limits.stream_flush_timeout),
        "drain_timeout": seconds(limits.drain_timeout),
        "delayed_close_timeout": "1s",
    }


def _connection(limits: Limits) -> dict[str, Any]:
    options: dict[str, Any] = {
        "idle_timeout": seconds(limits.idle_timeout),
        "max_headers_count": limits.max_headers_count,
        "headers_with_underscores_action": "REJECT_REQUEST",
        "max_connection_duration": seconds(limits.max_connection_duration),
        "max_connection_duration_jitter": {"value": limits.max_connection_duration_jitter},
    }
    if limits.max_requests_per_connection is not None:
        options["max_requests_per_connection"] = limits.max_requests_per_connection
    return options


def _http2(limits: Limits) -> dict[str, Any]:
    """Flow control, and an end for whoever floods with frames that cost us more than them."""
    return {
        "max_concurrent_streams": limits.max_concurrent_streams,
        "initial_stream_window_size": 65536,
        "initial_connection_window_size": 1048576,
        "max_outbound_frames": 10000,
        "max_outbound_control_frames": 1000,
        "max_consecutive_inbound_frames_with_empty_payload": 1,
        "max_inbound_priority_frames_per_stream": 100,
        "max_inbound_window_update_frames_per_data_frame_sent": 10,
        # Rapid reset (CVE-2023-44487): a client may open and reset so many streams, and so many a second.
        "stream_reset_burst": limits.stream_reset_burst,
        "stream_reset_rate": limits.stream_reset_rate,
        # A peer that is gone without a word holds its streams for half a minute, not for ever.
        "connection_keepalive": {"interval": "30s", "timeout": "5s"},
    }
