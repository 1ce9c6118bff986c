"""HTTP connection managers: what they take from clients, whom they ask, and what they measure."""

from collections.abc import Iterable

from proxy.domain.observing.extensions import opened
from proxy.domain.observing.node import Node
from proxy.domain.observing.seen import Extension, Manager

_TIMEOUTS = (
    "request_timeout",
    "request_headers_timeout",
    "stream_idle_timeout",
    "stream_flush_timeout",
    "drain_timeout",
    "delayed_close_timeout",
)
_COMMON_TIMEOUTS = ("idle_timeout", "max_connection_duration", "max_stream_duration")
_COMMON_LIMITS = ("max_requests_per_connection", "max_headers_count")
_HTTP2_LIMITS = ("max_concurrent_streams", "initial_stream_window_size", "initial_connection_window_size")


def is_one(extension: Extension) -> bool:
    """Whether a network filter is a connection manager, by its message or by the name that v2 gave it."""
    return extension.type.endswith(".HttpConnectionManager") or (
        not extension.type and extension.name.endswith("http_connection_manager")
    )


def manager(node: Node) -> Manager:
    """One connection manager."""
    node.known("HttpConnectionManager")
    common = node.get("common_http_protocol_options")
    filters = [opened(each) for each in node.get("http_filters").items()]
    logs = [opened(each) for each in node.get("access_log").items()]
    router = next((config for extension, config in filters if _is_router(extension)), None)
    attempts = [opened(each) for each in router.get("upstream_log").items()] if router else []
    return Manager(
        stat_prefix=node.get("stat_prefix").text(),
        codec=node.get("codec_type").text() or "AUTO",
        table=_table(node),
        scoped=bool(node.get("scoped_routes")),
        timeouts=_numbers(node, _TIMEOUTS, common, _COMMON_TIMEOUTS, times=True),
        limits={
            **_numbers(node, ("max_request_headers_kb",), common, _COMMON_LIMITS, times=False),
            **_numbers(node.get("http2_protocol_options"), _HTTP2_LIMITS, common, (), times=False),
        },
        filters=tuple(extension for extension, _ in filters),
        access_logs=tuple(extension for extension, _ in logs),
        attempt_logs=tuple(extension for extension, _ in attempts),
        measures=frozenset(_measured([*logs, *attempts])),
        forward_client_cert_details=node.get("forward_client_cert_details").text() or None,
        use_remote_address=node.get("use_remote_address").flag(),
        headers_with_underscores=common.get("headers_with_underscores_action").text() or None,
        normalizes_paths=node.get("normalize_path").flag(),
        server_header=node.get("server_header_transformation").text() or None,
    )


def _is_router(extension: Extension) -> bool:
    return extension.type.endswith(".http.router.v3.Router") or extension.name.endswith("router")


def _table(node: Node) -> str | None:
    if node.get("rds"):
        return node.at("rds", "route_config_name").text()
    return node.at("route_config", "name").text() if node.get("route_config") else None


def _numbers(
    own: Node, own_keys: Iterable[str], common: Node, common_keys: Iterable[str], *, times: bool
) -> dict[str, float]:
    nodes = [(key, own.get(key)) for key in own_keys] + [(key, common.get(key)) for key in common_keys]
    read = ((key, each.seconds() if times else each.number()) for key, each in nodes)
    return {key: value for key, value in read if value is not None}


def _measured(logs: Iterable[tuple[Extension, Node]]) -> Iterable[str]:
    """The names, with their prefix, of the statistics that access loggers of the stats kind write."""
    for extension, config in logs:
        if not extension.type.endswith("access_loggers.stats.v3.Config"):
            continue
        prefix = config.at("stats_scope", "prefix").text() or config.get("stat_prefix").text()
        for kind in ("counters", "histograms", "gauges"):
            for stat in config.get(kind).items():
                yield f"{prefix}.{stat.at('stat', 'name').text()}"
