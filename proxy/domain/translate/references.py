"""What points to what. An ACK does not prove it: Envoy acknowledges a route to a cluster that is not
there.
"""

from collections.abc import Iterator
from typing import Any

from proxy.domain.errors import Problem
from proxy.domain.translate import Resources, kinds


def problems(resources: Resources) -> list[Problem]:
    """Every reference that leads nowhere."""
    return [*_routes(resources), *_endpoints(resources), *_discovered(resources)]


def _routes(resources: Resources) -> Iterator[Problem]:
    for table in resources[kinds.ROUTES].values():
        for host in table["virtual_hosts"]:
            for route in host["routes"]:
                for arm in route["route"]["weighted_clusters"]["clusters"]:
                    if arm["name"] not in resources[kinds.CLUSTER]:
                        yield f"route {route['name']}", f"there is no cluster {arm['name']}"


def _endpoints(resources: Resources) -> Iterator[Problem]:
    for name, cluster in resources[kinds.CLUSTER].items():
        if cluster["type"] == "EDS" and name not in resources[kinds.ENDPOINTS]:
            yield f"cluster {name}", "has no endpoints"


def _discovered(resources: Resources) -> Iterator[Problem]:
    """Secrets and route tables by their name, wherever in a listener or a cluster they are named."""
    for kind in (kinds.LISTENER, kinds.CLUSTER):
        for name, resource in resources[kind].items():
            for wanted, wanted_kind in _pointers(resource):
                if wanted not in resources[wanted_kind]:
                    yield f"{kinds.SPOKEN[kind]} {name}", f"there is no {kinds.SPOKEN[wanted_kind]} {wanted}"


def _pointers(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for item in node:
            yield from _pointers(item)
    if isinstance(node, dict):
        if "sds_config" in node:
            yield node["name"], kinds.SECRET
        if "route_config_name" in node:
            yield node["route_config_name"], kinds.ROUTES
        for item in node.values():
            yield from _pointers(item)
