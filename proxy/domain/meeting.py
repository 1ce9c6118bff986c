"""Where a proxy's bootstrap has it find the ADS servers: is that where they are?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.domain.translate.bootstrap import ADS_CLUSTER, Address

_BOOTSTRAP = "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"


def elsewhere(dump: Mapping[str, Any], servers: Sequence[Address], *, plaintext: bool) -> tuple[str, ...]:
    """In words, what a new bootstrap would change; empty where the dump holds none: then nothing is known."""
    found = [part["bootstrap"] for part in dump.get("configs", ()) if part.get("@type") == _BOOTSTRAP]
    clusters = [each for one in found for each in one.get("static_resources", {}).get("clusters", ())]
    return tuple(
        line for each in clusters if each.get("name") == ADS_CLUSTER for line in _of(each, servers, plaintext)
    )


def _of(cluster: Mapping[str, Any], servers: Sequence[Address], plaintext: bool) -> Iterator[str]:
    knows = sorted(_addresses(cluster))
    wants = sorted(f"{host}:{port}" for host, port in servers)
    if knows != wants:
        yield f"the bootstrap knows the ADS servers {', '.join(knows)}, not {', '.join(wants)}"
    if ("transport_socket" not in cluster) != plaintext:
        yield f"the bootstrap has ADS {'over TLS' if plaintext else 'in plaintext'}"


def _addresses(cluster: Mapping[str, Any]) -> Iterator[str]:
    for locality in cluster.get("load_assignment", {}).get("endpoints", ()):
        for each in locality.get("lb_endpoints", ()):
            address = each["endpoint"]["address"]["socket_address"]
            yield f"{address['address']}:{address['port_value']}"
