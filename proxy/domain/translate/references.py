"""What points to what. An ACK does not prove it: Envoy acknowledges a route to a cluster that is not
there.
"""

from collections.abc import Iterator
from typing import Any

from proxy.domain.errors import Problem
from proxy.domain.translate import Resources, kinds


def problems(resources: Resources) -> list[Problem]:
    """Every reference that leads nowhere."""
    return [*_routes(resources), *_clusters(resources), *_listeners(resources)]


def _routes(resources: Resources) -> Iterator[Problem]:
    for table in resources[kinds.ROUTES].values():
        for host in table["virtual_hosts"]:
            for route in host["routes"]:
                for arm in route["route"]["weighted_clusters"]["clusters"]:
                    if arm["name"] not in resources[kinds.CLUSTER]:
                        yield f"route {route['name']}", f"there is no cluster {arm['name']}"


def _clusters(resources: Resources) -> Iterator[Problem]:
    for name, cluster in resources[kinds.CLUSTER].items():
        if cluster["type"] == "EDS" and name not in resources[kinds.ENDPOINTS]:
            yield f"cluster {name}", "has no endpoints"


def _listeners(resources: Resources) -> Iterator[Problem]:
    for name, listener in resources[kinds.LISTENER].items():
        for key, wanted, kind in _pointers(listener):
            if wanted not in resources[kind]:
                yield f"listener {name}", f"{key}: there is no {kinds.SPOKEN[kind]} {wanted}"


def _pointers(listener: Any) -> Iterator[tuple[str, str, str]]:
    for chain in listener["filter_chains"]:
        for filter_ in chain["filters"]:
            yield "rds", filter_["typed_config"]["rds"]["route_config_name"], kinds.ROUTES
        if "transport_socket" in chain:
            tls = chain["transport_socket"]["typed_config"]
            for reference in tls["common_tls_context"]["tls_certificate_sds_secret_configs"]:
                yield "certificate", reference["name"], kinds.SECRET
            yield "tickets", tls["session_ticket_keys_sds_secret_config"]["name"], kinds.SECRET
