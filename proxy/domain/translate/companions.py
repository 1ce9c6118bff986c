"""Services beside a proxy that it asks or tells: each a cluster that no route leads to."""

from collections.abc import Sequence
from typing import Any

from proxy.domain.tier import is_ip
from proxy.domain.translate import kinds

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(name: str, addresses: Sequence[tuple[str, int]], *, http2: bool = True) -> dict[str, Any]:
    """`name` bears an underscore, which no upstream's can. gRPC needs HTTP/2."""
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}}
        for address, port in addresses
    ]
    return {
        "@type": kinds.CLUSTER,
        "name": name,
        "type": "STATIC" if all(is_ip(address) for address, _ in addresses) else "STRICT_DNS",
        "connect_timeout": "0.25s",
        "circuit_breakers": {"thresholds": [{"max_requests": 4096, "max_pending_requests": 4096}]},
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "explicit_http_config": {"http2_protocol_options" if http2 else "http_protocol_options": {}},
            }
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }
