"""What points to what. An ACK does not prove it: Envoy acknowledges a route to a cluster that is not
there.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from proxy.domain.errors import Problem
from proxy.domain.translate import Resources, kinds
from proxy.domain.translate.tables import routes_of


def problems(resources: Resources, *, withheld: Collection[str] = ()) -> list[Problem]:
    """Every reference that leads nowhere, except to the secrets that are left out on purpose."""
    return [*_routes(resources), *_endpoints(resources), *_discovered(resources, withheld)]


def _routes(resources: Resources) -> Iterator[Problem]:
    for table in resources[kinds.ROUTES].values():
        for host in table["virtual_hosts"]:
            for route in routes_of(host):
                for cluster in _clusters(route.get("route", {})):
                    if cluster not in resources[kinds.CLUSTER]:
                        yield f"route {route['name']}", f"there is no cluster {cluster}"


def _clusters(action: Mapping[str, Any]) -> Iterator[str]:
    """Where a route sends; a redirect and a fixed answer send nowhere."""
    if "cluster" in action:
        yield action["cluster"]
    yield from (arm["name"] for arm in action.get("weighted_clusters", {}).get("clusters", ()))
    yield from (policy["cluster"] for policy in action.get("request_mirror_policies", ()))


def _endpoints(resources: Resources) -> Iterator[Problem]:
    for name, cluster in resources[kinds.CLUSTER].items():
        if cluster["type"] == "EDS" and name not in resources[kinds.ENDPOINTS]:
            yield f"cluster {name}", "has no endpoints"


def _discovered(resources: Resources, withheld: Collection[str]) -> Iterator[Problem]:
    """Secrets, extensions and route tables by name, wherever in a listener or a cluster they are named."""
    for kind in (kinds.LISTENER, kinds.CLUSTER):
        for name, resource in resources[kind].items():
            for wanted, wanted_kind in _pointers(resource):
                if wanted not in resources[wanted_kind] and wanted not in withheld:
                    yield f"{kinds.SPOKEN[kind]} {name}", f"there is no {kinds.SPOKEN[wanted_kind]} {wanted}"


def _pointers(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for item in node:
            yield from _pointers(item)
    if isinstance(node, dict):
        if "sds_config" in node:
            yield node["name"], kinds.SECRET
        if "config_discovery" in node:
            yield node["name"], kinds.EXTENSION
        if "route_config_name" in node:
            yield node["route_config_name"], kinds.ROUTES
        for item in node.values():
            yield from _pointers(item)
