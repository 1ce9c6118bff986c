"""Listeners: addresses, filter chains and what terminates TLS there."""

from typing import Literal

from proxy.domain.observing import managers
from proxy.domain.observing.extensions import named, opened
from proxy.domain.observing.node import Node
from proxy.domain.observing.seen import Chain, Listener, ServerTls, State

Transport = Literal["tcp", "udp", "pipe", "internal"]


def listener(node: Node, state: State) -> Listener:
    """One listener, of v2 or v3."""
    node.known("Listener")
    address, port, transport = where(node.get("address"))
    if node.get("internal_listener"):
        transport = "internal"
    chains = [*node.get("filter_chains").items()]
    default = node.get("default_filter_chain")
    if node.get("filter_chain_matcher"):
        node.note("a matcher tree chooses the filter chain: read are the chains, not when each is taken")
    return Listener(
        name=node.get("name").text() or f"{address}:{port}",
        address=address,
        port=port,
        transport=transport,
        state=state,
        buffer_bytes=node.get("per_connection_buffer_limit_bytes").number(),
        listener_filters=named(node.get("listener_filters")),
        chains=tuple(_chain(each) for each in ([*chains, default] if default else chains)),
    )


def where(node: Node) -> tuple[str, int | None, Transport]:
    """An address: host or path, port, transport."""
    socket = node.get("socket_address")
    if socket:
        port = socket.get("port_value").number()
        udp = socket.get("protocol").text().upper() == "UDP"
        whole = None if port is None else int(port)
        return socket.get("address").text(), whole, "udp" if udp else "tcp"
    if node.get("pipe"):
        return node.at("pipe", "path").text(), None, "pipe"
    if node.get("envoy_internal_address"):
        return node.at("envoy_internal_address", "server_listener_name").text(), None, "internal"
    return "", None, "tcp"


def _chain(node: Node) -> Chain:
    node.known("FilterChain")
    filters = [opened(each) for each in node.get("filters").items()]
    return Chain(
        name=node.get("name").text(),
        tls=_tls(node),
        handshake_timeout=node.get("transport_socket_connect_timeout").seconds(),
        filters=tuple(extension for extension, _ in filters),
        managers=tuple(
            managers.manager(config) for extension, config in filters if managers.is_one(extension)
        ),
    )


def _tls(node: Node) -> ServerTls | None:
    if node.get("tls_context"):  # v2
        return _context(node.get("tls_context"), quic=False)
    if not node.get("transport_socket"):
        return None
    extension, config = opened(node.get("transport_socket"))
    if extension.type.endswith("QuicDownstreamTransport"):
        return _context(config.get("downstream_tls_context"), quic=True)
    if extension.type.endswith("DownstreamTlsContext") or extension.name in ("tls", _TLS):
        return _context(config, quic=False)
    if extension.type.endswith("StartTlsConfig"):
        return _context(config.get("tls_socket_config"), quic=False)
    return None


_TLS = "envoy.transport_sockets.tls"


def _context(node: Node, *, quic: bool) -> ServerTls:
    common = node.get("common_tls_context")
    version = common.at("tls_params", "tls_minimum_protocol_version").text()
    return ServerTls(
        minimum_version=version or None,
        alpn=common.get("alpn_protocols").texts(),
        client_certificate=_asked(node, common),
        tickets=_tickets(node),
        quic=quic,
    )


def _asked(node: Node, common: Node) -> Literal["required", "verified if given", "not asked"]:
    """A matcher of names makes a client's certificate mandatory, whatever the flag says (seen on 1.40)."""
    combined = common.at("combined_validation_context", "default_validation_context")
    contexts = (common.get("validation_context"), combined)
    matched = any(
        context.get(key)
        for context in contexts
        for key in ("match_subject_alt_names", "match_typed_subject_alt_names")
    )
    validates = any(
        common.get(key)
        for key in (
            "validation_context",
            "validation_context_sds_secret_config",
            "combined_validation_context",
        )
    )
    if node.get("require_client_certificate").flag() or matched:
        return "required"
    return "verified if given" if validates else "not asked"


def _tickets(node: Node) -> Literal["shared", "own", "off"]:
    if node.get("session_ticket_keys") or node.get("session_ticket_keys_sds_secret_config"):
        return "shared"
    off = node.get("disable_stateless_session_resumption").flag()
    return "off" if off else "own"
