"""Clusters: which backends, over what, and how much of what fails there is borne."""

from collections.abc import Iterator, Mapping
from typing import Literal

from proxy.domain.observing.extensions import message, opened
from proxy.domain.observing.node import Node
from proxy.domain.observing.routes import retry
from proxy.domain.observing.seen import ClientTls, Cluster, State, Thresholds

Protocol = Literal["http1", "http2", "http3", "auto", "as the client"]
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(node: Node, state: State, assigned: Mapping[str, int]) -> Cluster:
    """One cluster. `assigned` has the endpoints of those whose endpoints come by discovery."""
    node.known("Cluster")
    name = node.get("name").text()
    options = _options(node)
    common = options.get("common_http_protocol_options") or node.get("common_http_protocol_options")
    per_connection = common.get("max_requests_per_connection") or node.get("max_requests_per_connection")
    return Cluster(
        name=name,
        state=state,
        discovery=node.get("type").text() or node.at("cluster_type", "name").text() or "STATIC",
        protocol=_protocol(node, options),
        balancing=_balancing(node),
        endpoints=_endpoints(node, assigned.get(name)),
        connect_timeout=node.get("connect_timeout").seconds(),
        thresholds=tuple(_thresholds(node)),
        outlier_detection=_outliers(node.get("outlier_detection")),
        tls=_tls(node),
        health_checks=sum(1 for _ in node.get("health_checks").items()),
        retry=retry(options.get("retry_policy")),
        limits=_limits(per_connection, common),
        buffer_bytes=node.get("per_connection_buffer_limit_bytes").number(),
    )


def count(assignment: Node) -> int:
    """The endpoints of a cluster load assignment."""
    return sum(1 for _ in _hosts(assignment))


def _hosts(assignment: Node) -> Iterator[Node]:
    for locality in assignment.get("endpoints").items():
        yield from locality.get("lb_endpoints").items()


def _endpoints(node: Node, assigned: int | None) -> int | None:
    if node.get("load_assignment"):
        return count(node.get("load_assignment"))
    if node.get("hosts"):  # v2
        return sum(1 for _ in node.get("hosts").items())
    return assigned


def _options(node: Node) -> Node:
    for name, config in node.get("typed_extension_protocol_options").entries():
        if name == _OPTIONS or message(config) == _OPTIONS:
            return config.known("HttpProtocolOptions")
    return Node(None, node.path, node.notebook)


def _protocol(node: Node, options: Node) -> Protocol:
    explicit = options.get("explicit_http_config")
    if explicit.get("http3_protocol_options"):
        return "http3"
    if explicit.get("http2_protocol_options") or node.get("http2_protocol_options"):
        return "http2"
    if options.get("auto_config"):
        return "auto"
    if options.get("use_downstream_protocol_config"):
        return "as the client"
    from_client = node.get("protocol_selection").text() == "USE_DOWNSTREAM_PROTOCOL"
    return "as the client" if from_client else "http1"


def _balancing(node: Node) -> str:
    policies = [*node.at("load_balancing_policy", "policies").items()]
    if policies:
        extension, _ = opened(policies[0].get("typed_extension_config"))
        return extension.name
    return node.get("lb_policy").text() or "ROUND_ROBIN"


def _thresholds(node: Node) -> Iterator[Thresholds]:
    for each in node.at("circuit_breakers", "thresholds").items():
        each.known("Thresholds")
        budget = each.get("retry_budget")
        percent = budget.at("budget_percent", "value").number()
        yield Thresholds(
            priority=each.get("priority").text() or "DEFAULT",
            max_connections=each.get("max_connections").number(),
            max_pending_requests=each.get("max_pending_requests").number(),
            max_requests=each.get("max_requests").number(),
            max_retries=each.get("max_retries").number(),
            # A budget that says no share has Envoy's default.
            budget_percent=percent if percent is not None or not budget else 20.0,
            track_remaining=each.get("track_remaining").flag() is True,
        )


def _outliers(node: Node) -> Mapping[str, float] | None:
    if not node:
        return None
    node.known("OutlierDetection")
    found: dict[str, float] = {}
    for key, each in node.entries():
        read = each.seconds() if isinstance(each.value, str) and each.value.endswith("s") else _plain(each)
        if read is not None:
            found[key] = read
    return found


def _plain(node: Node) -> float | None:
    if isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node.value, dict) and "value" not in node.value:
        return node.seconds()
    return None if isinstance(node.value, list) else node.number()


def _tls(node: Node) -> ClientTls | None:
    if node.get("tls_context"):  # v2
        return _context(node.get("tls_context"))
    sockets = [node.get("transport_socket")]
    sockets += [each.get("transport_socket") for each in node.get("transport_socket_matches").items()]
    for socket in sockets:
        if not socket:
            continue
        extension, config = opened(socket)
        if extension.type.endswith("QuicUpstreamTransport"):
            return _context(config.get("upstream_tls_context"))
        if extension.type.endswith("UpstreamTlsContext") or extension.name.endswith("transport_sockets.tls"):
            return _context(config)
    return None


def _context(node: Node) -> ClientTls:
    common = node.get("common_tls_context")
    combined = common.get("combined_validation_context")
    plain = (common.get("validation_context"), combined.get("default_validation_context"))
    names = ("match_subject_alt_names", "match_typed_subject_alt_names", "verify_subject_alt_name")
    return ClientTls(
        sni=node.get("sni").text() or None,
        verifies=any(
            (
                common.get("validation_context_sds_secret_config"),
                combined.get("validation_context_sds_secret_config"),
                *(each.get(key) for each in plain for key in ("trusted_ca", "system_root_certs")),
            )
        ),
        verifies_names=any(each.get(key) for each in plain for key in names)
        or node.get("auto_sni_san_validation").flag() is True,
        shows_certificate=any(
            common.get(key)
            for key in (
                "tls_certificates",
                "tls_certificate_sds_secret_configs",
                "tls_certificate_provider_instance",
            )
        ),
    )


def _limits(per_connection: Node, common: Node) -> dict[str, float]:
    read = {
        "max_requests_per_connection": per_connection.number(),
        "idle_timeout": common.get("idle_timeout").seconds(),
        "max_connection_duration": common.get("max_connection_duration").seconds(),
    }
    return {key: value for key, value in read.items() if value is not None}
