"""The resources of a proxy as one static file: for `envoy --mode validate`, which does not wait for
discovery, and for proxies that run without an ADS server.
"""

import copy
from typing import Any

from proxy.domain.tier import Proxy, Tier
from proxy.domain.translate import Resources, kinds, resources
from proxy.domain.translate.bootstrap import bootstrap, observed
from proxy.domain.translate.secrets import Material


def alone(tier: Tier, proxy: Proxy, material: Material) -> dict[str, Any]:
    """What a proxy of the tier is started with to run without an ADS server: its own bootstrap, and all that
    it would be told from there.
    """
    made = resources(base=tier, live=tier, proxy=proxy.name, material=material)
    started = bootstrap(tier, proxy, ads=[("127.0.0.1", 1)], proof=None)
    del started["dynamic_resources"]
    ((name, layer),) = made[kinds.RUNTIME].items()
    runtime = {"layers": [{"name": name, "static_layer": layer["layer"]}]}
    return {**started, **standalone(made), "layered_runtime": runtime}


def standalone(resources: Resources) -> dict[str, Any]:
    """A bootstrap that needs no ADS server: endpoints in their clusters, the routes in their listeners."""
    found = {kind: dict(named) for kind, named in resources.items()}
    for kind in (kinds.CLUSTER, kinds.LISTENER):  # changed here; a copy of the routes takes seconds
        found[kind] = copy.deepcopy(found[kind])
        _named_only(found[kind])
    _configured(found[kinds.LISTENER], found[kinds.EXTENSION])
    endpoints, tables = found[kinds.ENDPOINTS], found[kinds.ROUTES]
    return {
        **observed(),
        "static_resources": {
            "clusters": [_cluster(dict(item), endpoints) for item in found[kinds.CLUSTER].values()],
            "listeners": [_listener(dict(item), tables) for item in found[kinds.LISTENER].values()],
            "secrets": [_untyped(item) for item in found[kinds.SECRET].values()],
        },
    }


def _untyped(item: Any) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "@type"}


def _cluster(cluster: dict[str, Any], endpoints: Any) -> dict[str, Any]:
    if cluster.pop("eds_cluster_config", None) is not None:
        cluster |= {"type": "STATIC", "load_assignment": _untyped(endpoints[cluster["name"]])}
    return _untyped(cluster)


def _listener(listener: dict[str, Any], tables: Any) -> dict[str, Any]:
    for chain in listener["filter_chains"]:
        for filter_ in chain["filters"]:
            manager = filter_["typed_config"]
            if "rds" in manager:
                manager["route_config"] = _untyped(tables[manager.pop("rds")["route_config_name"]])
    return _untyped(listener)


def _named_only(node: Any) -> None:
    """Secrets are found by their names alone in a file that holds them."""
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _named_only(item)
    if isinstance(node, dict):
        node.pop("sds_config", None)


def _configured(node: Any, extensions: Any) -> None:
    """Filters with their configuration in the place of where it is to be had."""
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _configured(item, extensions)
    if isinstance(node, dict) and node.pop("config_discovery", None) is not None:
        node["typed_config"] = extensions[node["name"]]["typed_config"]
