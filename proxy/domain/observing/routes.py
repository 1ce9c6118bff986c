"""Route tables: which requests go where, how long they may take and what is tried again."""

import json
from collections.abc import Iterator, Mapping

from proxy.domain.observing.node import Node
from proxy.domain.observing.seen import Match, Retry, Route, State, Table

_FORMS = (
    "prefix",
    "path",
    "path_separated_prefix",
    "safe_regex",
    "regex",
    "path_match_policy",
    "connect_matcher",
)
_CONDITIONS = (
    "headers",
    "query_parameters",
    "cookies",
    "grpc",
    "tls_context",
    "runtime_fraction",
    "dynamic_metadata",
    "filter_state",
)
_DEEPEST = 40
_ACTIONS = ("route", "redirect", "direct_response", "filter_action", "non_forwarding_action")


def table(node: Node, state: State) -> Table:
    """One route configuration. A virtual host's retry policy counts for its routes that have none."""
    node.known("RouteConfiguration")
    if node.get("vhds"):
        node.note("virtual hosts come on demand (VHDS): only those that were asked for are here")
    found: list[Route] = []
    for host in node.get("virtual_hosts").items():
        host.known("VirtualHost")
        common = retry(host.get("retry_policy"))
        hosts = host.get("domains").texts()
        name = host.get("name").text()
        found += [_route(each, name, hosts, common) for each in _routes(host)]
    return Table(node.get("name").text(), state, tuple(found))


def retry(node: Node) -> Retry | None:
    """A retry policy; None where none is written."""
    if not node:
        return None
    node.known("RetryPolicy")
    predicates = [each.get("name").text() for each in node.get("retry_host_predicate").items()]
    conditions = node.get("retry_on").text().replace(" ", "")
    return Retry(
        retry_on=tuple(word for word in conditions.split(",") if word),
        num_retries=node.get("num_retries").number(),
        per_try_timeout=node.get("per_try_timeout").seconds(),
        base_interval=node.at("retry_back_off", "base_interval").seconds(),
        max_interval=node.at("retry_back_off", "max_interval").seconds(),
        other_host=any(name.endswith("previous_hosts") for name in predicates),
        idempotent_only=bool(node.get("retriable_request_headers").value),
        honours_retry_after=bool(node.get("rate_limited_retry_back_off")),
    )


def _routes(host: Node) -> Iterator[Node]:
    """The list's, or those to which a matcher tree leads: each once, in however many leaves it stands."""
    yield from host.get("routes").items()
    seen: set[str] = set()
    for route in _in_tree(host.get("matcher"), _DEEPEST):
        told = json.dumps(route.value, sort_keys=True, default=str)
        if told not in seen:
            seen.add(told)
            yield route


def _in_tree(node: Node, deepest: int) -> Iterator[Node]:
    """What the actions below a matcher hold: single routes, or lists of them."""
    if deepest == 0:
        node.note("a matcher tree that is deeper than is read")
        return
    if isinstance(node.value, list):
        for item in node.items():
            yield from _in_tree(item, deepest - 1)
    if not isinstance(node.value, dict):
        return
    held = node.get("typed_config")
    if isinstance(held.value, dict):
        yield from [held] if held.get("match") else held.get("routes").items()
        return
    for _, item in node.entries():
        yield from _in_tree(item, deepest - 1)


def _route(node: Node, virtual_host: str, hosts: tuple[str, ...], common: Retry | None) -> Route:
    node.known("Route")
    action = node.get("route").known("RouteAction")
    kind = next((name for name in _ACTIONS if node.get(name)), "unknown")
    if kind == "unknown":
        node.note("a route without an action that is understood")
    return Route(
        name=node.get("name").text(),
        virtual_host=virtual_host,
        hosts=hosts,
        match=_match(node.get("match").known("RouteMatch")),
        action=kind,
        arms=_arms(action),
        sticky=bool(action.get("hash_policy").value),
        hedged=action.at("hedge_policy", "hedge_on_per_try_timeout").flag() is True,
        mirrored=bool(action.get("request_mirror_policies").value),
        timeout=action.get("timeout").seconds(),
        idle_timeout=action.get("idle_timeout").seconds(),
        retry=retry(action.get("retry_policy")) or common,
        filters=tuple(name for name, _ in node.get("typed_per_filter_config").entries()),
    )


def _match(node: Node) -> Match:
    form = next((name for name in _FORMS if node.get(name)), "unknown")
    if form == "unknown":
        node.note("a match of the path that is not understood")
    found = node.get(form)
    path = found.get("regex").text() if form == "safe_regex" else ""
    if form not in ("safe_regex", "path_match_policy", "connect_matcher", "unknown"):
        path = found.text()
    return Match(form, path, tuple(name for name in _CONDITIONS if node.get(name).value))


def _arms(action: Node) -> Mapping[str, float]:
    if action.get("cluster"):
        return {action.get("cluster").text(): 1.0}
    arms: dict[str, float] = {}
    for arm in action.at("weighted_clusters", "clusters").items():
        name = arm.get("name").text() or arm.get("cluster_header").text()
        arms[name] = arms.get(name, 0.0) + (arm.get("weight").number() or 0.0)
    for key in ("cluster_header", "cluster_specifier_plugin", "inline_cluster_specifier_plugin"):
        if action.get(key):
            action.note(f"the cluster is chosen for each request, by {key}")
    return arms
