"""The routes of a virtual host, whether it holds them as a list or as a tree.

A long list costs every request that is not among its first: 2 us at 100 prefixes, 206 us at 10,000 (Envoy's
own `route_resolution_time_us`). A tree over the path costs one at any length. Its leaves are short
lists in the order of the long one: for each declared path, those routes that could match a request whose path
begins with it and with no longer declared one. A route decides by its own match there as in the long list, so
that both give the same.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.domain.tier import Route

LONGEST_LIST = 100
"""A host with more routes gets a tree."""
MOST_COPIES = 4
"""Unless its leaves held so many times the routes in all: templates and regular expressions stand in each."""

_LIST = "type.googleapis.com/envoy.config.route.v3.RouteList"


@dataclass(frozen=True, slots=True)
class Made:
    """A declared route with Envoy's routes for it."""

    route: Route
    routes: Sequence[dict[str, Any]]


def _path() -> dict[str, Any]:
    return {
        "name": "path",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
            "header_name": ":path",
        },
    }


def held(made: Sequence[Made]) -> dict[str, Any]:
    """`routes` or `matcher` of a virtual host, for routes in the order of trying."""
    return as_tree(made) if grows(made) else as_list(made)


def grows(made: Sequence[Made]) -> bool:
    """Whether the routes are so many that their host gets a tree."""
    if len(made) <= LONGEST_LIST:
        return False
    leaves, _ = _leaves(made)
    return sum(map(len, leaves.values())) <= MOST_COPIES * len(made)


def as_list(made: Sequence[Made]) -> dict[str, Any]:
    """In the order of trying."""
    return {"routes": [one for each in made for one in each.routes]}


def as_tree(made: Sequence[Made]) -> dict[str, Any]:
    """Whatever it costs."""
    return _tree(*_leaves(made))


def routes_of(host: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The routes of a virtual host, whoever made it; out of a tree one may come more than once."""
    yield from host.get("routes", ())
    yield from _in_actions(host.get("matcher"))


def _leaves(made: Sequence[Made]) -> tuple[dict[str, list[Made]], list[Made]]:
    """By path: the routes that could match what begins with it, in order; and those for what is left."""
    fixed: dict[str, list[int]] = defaultdict(list)
    rest: list[int] = []
    for place, each in enumerate(made):
        kind, text = each.route.match.by
        (fixed[text] if kind in ("path", "prefix") else rest).append(place)
    leaves = {}
    for text in fixed:
        places = [place for beginning in _above(text) for place in fixed.get(beginning, ())]
        leaves[text] = [made[place] for place in sorted([*places, *rest])]
    return leaves, [made[place] for place in rest]


def _above(text: str) -> Iterator[str]:
    """The prefixes that could match what begins with the text: those that end where a part of it does."""
    for end in range(1, len(text)):
        if text[end - 1] == "/" or text[end] == "/":
            yield text[:end]
    yield text


def _tree(leaves: Mapping[str, Sequence[Made]], rest: Sequence[Made]) -> dict[str, Any]:
    branches = {text: _leaf(leaf) for text, leaf in leaves.items()}
    tree: dict[str, Any] = {"matcher_tree": {"input": _path(), "prefix_match_map": {"map": branches}}}
    return {"matcher": {**tree, "on_no_match": _leaf(rest)} if rest else tree}


def _leaf(leaf: Sequence[Made]) -> dict[str, Any]:
    routes = [one for each in leaf for one in each.routes]
    return {"action": {"name": "routes", "typed_config": {"@type": _LIST, "routes": routes}}}


def _in_actions(node: Any) -> Iterator[Mapping[str, Any]]:
    """The routes that the actions below a node of a tree lead to: lists of them, or single ones."""
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        if isinstance(item, Mapping) and "typed_config" in item and "match" in item["typed_config"]:
            yield item["typed_config"]
        elif isinstance(item, Mapping) and "typed_config" in item:
            yield from item["typed_config"].get("routes", ())
        else:
            yield from _in_actions(item)
