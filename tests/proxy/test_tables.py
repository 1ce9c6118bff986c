"""A host's routes as a list or as a tree: the same to all who read them."""

from typing import Any

from proxy.domain import running
from proxy.domain.difference import difference
from proxy.domain.tier import Tier
from proxy.domain.translate import Resources, kinds, references, resources, routes, tables
from proxy.domain.translate.secrets import Material
from tests.proxy.factories import tier

MANY = tables.LONGEST_LIST + 1


def numbered(count: int, **changes: Any) -> list[dict[str, Any]]:
    """So many prefixes of one host; `changes` are of the last."""
    found = [
        {"name": f"r{number}", "hosts": ["a.test"], "prefix": f"/p/{number}", "upstream": "shop-v1"}
        for number in range(count)
    ]
    return [*found[:-1], {**found[-1], **changes}]


def made(given: Tier) -> Resources:
    return resources(base=given, live=given, proxy="edge-1", material=Material("", "", ()))


def host_of(given: Tier) -> dict[str, Any]:
    (host,) = routes.table(given)["virtual_hosts"]
    return dict(host)


def changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    return [str(one) for one in difference(made(tier(routes=before)), made(tier(routes=after)))]


def test_a_host_of_many_routes_holds_a_tree_and_one_of_few_a_list() -> None:
    assert "routes" in host_of(tier(routes=numbered(MANY - 1)))
    tree = host_of(tier(routes=numbered(MANY)))
    assert "matcher" in tree
    assert "routes" not in tree
    assert len(list(tables.routes_of(tree))) == MANY


def test_a_leaf_holds_what_could_match_below_it_and_nothing_else() -> None:
    given = [
        *numbered(MANY),
        {"name": "root", "hosts": ["a.test"], "upstream": "shop-v2"},
        {"name": "below", "hosts": ["a.test"], "prefix": "/p", "upstream": "shop-v2"},
        {"name": "like", "hosts": ["a.test"], "match": {"safe_regex": "/q[0-9]"}, "upstream": "shop-v2"},
    ]
    matcher = host_of(tier(routes=given))["matcher"]
    leaves = matcher["matcher_tree"]["prefix_match_map"]["map"]
    names = {
        path: [route["name"] for route in leaf["action"]["typed_config"]["routes"]]
        for path, leaf in leaves.items()
    }
    assert names["/p/10"] == ["like", "r10", "below", "root"]  # not r1, which takes /p/1 and /p/1/...
    assert names["/"] == ["like", "root"]


def test_many_expressions_keep_the_list_since_each_leaf_would_hold_them_all() -> None:
    expressions = [
        {"name": f"e{n}", "hosts": ["a.test"], "match": {"safe_regex": f"/e{n}[0-9]"}, "upstream": "shop-v1"}
        for n in range(tables.MOST_COPIES)
    ]
    assert "matcher" in host_of(tier(routes=[*numbered(MANY), *expressions[1:]]))
    assert "routes" in host_of(tier(routes=[*numbered(MANY), *expressions]))


def test_a_change_in_a_tree_is_told_once_and_growing_to_a_tree_is_none() -> None:
    path = "virtual_hosts[a.test].routes[r100].route.timeout"
    root = {"name": "root", "hosts": ["a.test"], "upstream": "shop-v1"}
    assert f"~ routes edge: {path}: 2s -> 4s" in changes(numbered(MANY), numbered(MANY, timeout="4s"))
    slower = changes([*numbered(MANY), root], [*numbered(MANY), {**root, "timeout": "4s"}])
    assert [line for line in slower if "timeout: " in line and "per_try" not in line] == [
        "~ routes edge: virtual_hosts[a.test].routes[root].route.timeout: 2s -> 4s"
    ]
    grown = changes(numbered(MANY)[:-1], numbered(MANY))
    assert all("routes[r100]" in line for line in grown)


def test_a_route_that_comes_or_goes_is_one_line_and_one_that_changes_is_each_field() -> None:
    root = {"name": "root", "hosts": ["a.test"], "upstream": "shop-v1"}
    more = {"name": "more", "hosts": ["a.test"], "prefix": "/more", "upstream": "shop-v1"}
    elsewhere = {"name": "elsewhere", "hosts": ["b.test"], "upstream": "shop-v1"}

    assert changes([root], [root, more]) == ["+ routes edge: virtual_hosts[a.test].routes[more]"]
    assert changes([root, more], [root]) == ["- routes edge: virtual_hosts[a.test].routes[more]"]
    assert "+ routes edge: virtual_hosts[b.test]" in changes([root], [root, elsewhere])
    assert not [line for line in changes([root], [root, elsewhere]) if "routes[elsewhere]" in line]


def test_the_ways_of_a_sticky_route_are_told_apart_in_a_difference() -> None:
    def sticky(ttl: str) -> list[dict[str, Any]]:
        split = {"shop-v1": 10000, "shop-v2": 0}
        return [
            {"name": "shop", "hosts": ["a.test"], "split": split, "sticky": {"cookie": "uid", "ttl": ttl}}
        ]

    (told,) = changes(sticky("1h"), sticky("2h"))
    assert told.startswith("~ routes edge: virtual_hosts[a.test].routes[shop (2)].response_headers_to_add[0]")
    assert "Max-Age=3600" in told
    assert "Max-Age=7200" in told


def test_a_missing_cluster_is_found_in_a_tree_and_behind_an_attribute() -> None:
    arm = {"upstream": "shop-v2", "match": {"headers": [{"name": "x-a", "exact": "b"}]}}
    shop = {"name": "shop", "hosts": ["a.test"], "split": {"shop-v1": 10000, "shop-v2": 0}, "arms": [arm]}
    given = tier(routes=[*numbered(MANY), shop])
    clusters = {name: one for name, one in made(given)[kinds.CLUSTER].items() if name != "shop-v2"}
    found = references.problems({**made(given), kinds.CLUSTER: clusters})
    assert ("route shop", "there is no cluster shop-v2") in found


def test_the_weights_in_a_tree_and_of_all_ways_of_a_route_are_read_back() -> None:
    split = {"name": "shop", "hosts": ["a.test"], "split": {"shop-v1": 9000, "shop-v2": 1000}}
    given = tier(
        routes=[
            *numbered(MANY),
            {**split, "sticky": {"cookie": "uid"}},
            {"name": "old", "hosts": ["a.test"], "prefix": "/old", "redirect": {"path_redirect": "/"}},
        ]
    )
    dump = {"configs": [{"route_config": routes.table(given)}]}
    runtime = {"entries": {"split.shop.shop-v2": {"final_value": "2000"}}}
    found = running.splits(dump, runtime)
    assert found["shop"] == {"shop-v1": 9000, "shop-v2": 2000}
    assert found["r7"] == {"shop-v1": 10000}
    assert found["old"] == {}
    assert running.drift(given, running.splits(dump, {}), {}) == ()
