"""An Envoy as a client of HTTP/1.1, HTTP/2 and HTTP/3: each of its doors takes plain requests and sends them
on over TLS or QUIC, in the door's protocol. Several of its kind then differ in nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

LOOPBACK = "127.0.0.1"
Protocol = Literal["http1", "http2", "http3"]
_TYPES = "type.googleapis.com/envoy.extensions"
_ALPN = {"http1": "http/1.1", "http2": "h2", "http3": "h3"}
_OPTIONS = {
    "http1": "http_protocol_options",
    "http2": "http2_protocol_options",
    "http3": "http3_protocol_options",
}


@dataclass(frozen=True, slots=True)
class Door:
    """A loopback port whose requests go on to `target`, in its address and port.

    `streams` is the most requests at once on one connection over HTTP/2 (None: as many as the server takes),
    and `connections` the most connections (None: as many as are needed).
    """

    name: str
    port: int
    target: tuple[str, int]
    protocol: Protocol
    streams: int | None = None
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificate is taken: by the authority in the file, bearing the name. `tls` are further fields of
    Envoy's CommonTlsContext.
    """

    authority: str
    name: str
    tls: Mapping[str, Any] = field(default_factory=dict)


def speaker(doors: Sequence[Door], trust: Trust, *, admin_port: int | None = None) -> dict[str, Any]:
    """The Envoy's whole configuration. Start it with one worker: each worker has connections of its own."""
    admin = {} if admin_port is None else {"admin": {"address": _address(LOOPBACK, admin_port)}}
    return {
        **admin,
        "static_resources": {
            "listeners": [_listener(door) for door in doors],
            "clusters": [_cluster(door, trust) for door in doors],
        },
    }


def _listener(door: Door) -> dict[str, Any]:
    router = _typed("envoy.filters.http.router", "filters.http.router.v3.Router")
    route = {"match": {"prefix": "/"}, "route": {"cluster": door.name, "timeout": "30s"}}
    manager = _typed(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=door.name,
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        http_filters=[router],
    )
    return {"address": _address(LOOPBACK, door.port), "filter_chains": [{"filters": [manager]}]}


def _cluster(door: Door, trust: Trust) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(*door.target)}}
    most = 10_000
    room = {
        "max_connections": door.connections or most,
        "max_pending_requests": most,
        "max_requests": most,
    }
    options = _typed(
        "",
        "upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={_OPTIONS[door.protocol]: _streams(door)},
    )["typed_config"]
    return {
        "name": door.name,
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": door.name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [room]},
        "transport_socket": _socket(door, trust),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
    }


def _streams(door: Door) -> dict[str, Any]:
    return {} if door.streams is None else {"max_concurrent_streams": door.streams}


def _socket(door: Door, trust: Trust) -> dict[str, Any]:
    name = {"san_type": "DNS", "matcher": {"exact": trust.name}}
    validation = {"trusted_ca": {"filename": trust.authority}, "match_typed_subject_alt_names": [name]}
    alpn = {} if door.protocol == "http3" else {"alpn_protocols": [_ALPN[door.protocol]]}
    tls = {
        "sni": trust.name,
        "common_tls_context": {**alpn, "validation_context": validation, **trust.tls},
    }
    if door.protocol == "http3":
        kind = "transport_sockets.quic.v3.QuicUpstreamTransport"
        return _typed("envoy.transport_sockets.quic", kind, upstream_tls_context=tls)
    return _typed("envoy.transport_sockets.tls", "transport_sockets.tls.v3.UpstreamTlsContext", **tls)


def _typed(name: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{_TYPES}.{kind}", **fields}}


def _address(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}
