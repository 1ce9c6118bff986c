"""A document taken apart: a config dump, a bootstrap or resources by themselves, each part with its state.

A dump differs by version and by who asked: all sections or one, whole or as a list, entries with
`error_state`, warming and draining ones, ECDS filters, scoped routes, endpoints only with `?include_eds`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from proxy.domain.observing.extensions import message
from proxy.domain.observing.node import Node
from proxy.domain.observing.seen import Refusal, State

_BOOTSTRAP = (
    "static_resources",
    "dynamic_resources",
    "node",
    "admin",
    "layered_runtime",
    "stats_config",
    "overload_manager",
)
_STATES: dict[str, State] = {
    "active_state": "active",
    "warming_state": "warming",
    "draining_state": "draining",
}

# Before Envoy 1.14 each state had a list of its own.
_OLD_STATES: dict[str, State] = {
    "dynamic_active_listeners": "active",
    "dynamic_warming_listeners": "warming",
    "dynamic_draining_listeners": "draining",
}


@dataclass
class Sections:
    """The parts that were found; a part may be there twice, as a static cluster is in a dump."""

    bootstrap: Node | None = None
    listeners: list[tuple[Node, State]] = field(default_factory=list)
    clusters: list[tuple[Node, State]] = field(default_factory=list)
    tables: list[tuple[Node, State]] = field(default_factory=list)
    assignments: list[Node] = field(default_factory=list)
    filters: list[Node] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    known: int = 0

    def add(self, node: Node) -> None:
        """One entry of a dump, or one resource, by its message."""
        kind = message(node).rpartition(".")[2] or _guess(node)
        reader = _READERS.get(kind)
        if reader is None:
            node.note(f"a part of a kind that is not read: {kind or 'none is named'}")
            return
        self.known += 1
        reader(self, node)

    def add_bootstrap(self, node: Node) -> None:
        """A bootstrap with its static resources. A list of secrets is left closed."""
        self.known += 1
        self.bootstrap = node.known("Bootstrap")
        static = node.get("static_resources")
        self.listeners += [(each, "static") for each in static.get("listeners").items()]
        self.clusters += [(each, "static") for each in static.get("clusters").items()]

    def refused(self, kind: str, name: str, state: Node) -> None:
        if state:
            reason = state.get("details").text() or "no reason given"
            at = state.get("last_update_attempt").text()
            self.refusals.append(Refusal(kind, name, reason[:500], at))


Reader = Callable[[Sections, Node], None]


def is_bootstrap(node: Node) -> bool:
    """Whether the document looks like one: it has one of the fields that nothing else has."""
    return any(node.get(key) for key in _BOOTSTRAP)


def _guess(node: Node) -> str:
    """The message of an entry without one, by a field that only it has."""
    return next((kind for key, kind in _TELLING.items() if node.get(key)), "")


_TELLING = {
    "bootstrap": "BootstrapConfigDump",
    "dynamic_listeners": "ListenersConfigDump",
    "static_listeners": "ListenersConfigDump",
    "dynamic_active_clusters": "ClustersConfigDump",
    "static_clusters": "ClustersConfigDump",
    "dynamic_route_configs": "RoutesConfigDump",
    "static_route_configs": "RoutesConfigDump",
    "static_endpoint_configs": "EndpointsConfigDump",
    "dynamic_endpoint_configs": "EndpointsConfigDump",
    "ecds_filters": "EcdsConfigDump",
    "virtual_hosts": "RouteConfiguration",
    "filter_chains": "Listener",
    "lb_policy": "Cluster",
    "load_assignment": "Cluster",
    "cluster_name": "ClusterLoadAssignment",
}


def _read_bootstrap(found: Sections, node: Node) -> None:
    found.add_bootstrap(node.get("bootstrap"))


def _read_listeners(found: Sections, node: Node) -> None:
    found.listeners += [(each.get("listener"), "static") for each in node.get("static_listeners").items()]
    for each in node.get("dynamic_listeners").items():
        _read_listener(found, each)
    for key, state in _OLD_STATES.items():
        found.listeners += [(each.get("listener"), state) for each in node.get(key).items()]


def _read_listener(found: Sections, node: Node) -> None:
    for key, state in _STATES.items():
        if node.at(key, "listener"):
            found.listeners.append((node.at(key, "listener"), state))
    found.refused("listener", node.get("name").text(), node.get("error_state"))


def _read_clusters(found: Sections, node: Node) -> None:
    found.clusters += [(each.get("cluster"), "static") for each in node.get("static_clusters").items()]
    for each in node.get("dynamic_active_clusters").items():
        _read_cluster(found, each)
    for each in node.get("dynamic_warming_clusters").items():
        _read_cluster(found, each, "warming")


def _read_cluster(found: Sections, node: Node, state: State = "active") -> None:
    if node.get("cluster"):
        found.clusters.append((node.get("cluster"), state))
    found.refused("cluster", node.at("cluster", "name").text(), node.get("error_state"))


def _read_tables(found: Sections, node: Node) -> None:
    static = node.get("static_route_configs").items()
    found.tables += [(each.get("route_config"), "static") for each in static]
    for each in node.get("dynamic_route_configs").items():
        _read_table(found, each)


def _read_table(found: Sections, node: Node) -> None:
    if node.get("route_config"):
        found.tables.append((node.get("route_config"), "active"))
    found.refused("routes", node.at("route_config", "name").text(), node.get("error_state"))


def _read_scopes(found: Sections, node: Node) -> None:
    """Scopes lead to tables that stand among the routes; inline ones hold no table of their own."""
    for key in ("inline_scoped_route_configs", "dynamic_scoped_route_configs"):
        for each in node.get(key).items():
            found.refused("scoped routes", each.get("name").text(), each.get("error_state"))


def _read_endpoints(found: Sections, node: Node) -> None:
    for key in ("static_endpoint_configs", "dynamic_endpoint_configs"):
        for each in node.get(key).items():
            found.assignments.append(each.get("endpoint_config"))
            name = each.at("endpoint_config", "cluster_name").text()
            found.refused("endpoints", name, each.get("error_state"))


def _read_filters(found: Sections, node: Node) -> None:
    for each in node.get("ecds_filters").items():
        found.filters.append(each.get("ecds_filter"))
        found.refused("filter", each.at("ecds_filter", "name").text(), each.get("error_state"))


def _read_secrets(found: Sections, node: Node) -> None:
    """Only whether one was refused or still lacks: what is in them is nobody's to read."""
    for key in ("dynamic_active_secrets", "dynamic_warming_secrets"):
        for each in node.get(key).items():
            found.refused("secret", each.get("name").text(), each.get("error_state"))


def _read_resource(place: Callable[[Sections], list[tuple[Node, State]]]) -> Reader:
    """A resource as it is sent, by itself."""
    return lambda found, node: place(found).append((node, "active"))


def _read_assignment(found: Sections, node: Node) -> None:
    found.assignments.append(node)


_READERS: dict[str, Reader] = {
    "BootstrapConfigDump": _read_bootstrap,
    "ListenersConfigDump": _read_listeners,
    "DynamicListener": _read_listener,
    "ClustersConfigDump": _read_clusters,
    "DynamicCluster": _read_cluster,
    "StaticCluster": _read_cluster,
    "RoutesConfigDump": _read_tables,
    "DynamicRouteConfig": _read_table,
    "StaticRouteConfig": _read_table,
    "ScopedRoutesConfigDump": _read_scopes,
    "EndpointsConfigDump": _read_endpoints,
    "EcdsConfigDump": _read_filters,
    "SecretsConfigDump": _read_secrets,
    "Bootstrap": Sections.add_bootstrap,
    "Listener": _read_resource(lambda found: found.listeners),
    "Cluster": _read_resource(lambda found: found.clusters),
    "RouteConfiguration": _read_resource(lambda found: found.tables),
    "ClusterLoadAssignment": _read_assignment,
}


def entries(node: Node) -> Iterator[Node]:
    """The entries of a dump or of a discovery response, or the document itself as its only one."""
    for key in ("configs", "resources"):
        if node.get(key):
            yield from node.get(key).items()
            return
    yield node
