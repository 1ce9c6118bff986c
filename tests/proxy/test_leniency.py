"""What was published before is read by its words, not by today's rules."""

from datetime import timedelta
from typing import Any

import pytest

from proxy.domain.leniency import Read, read
from tests.proxy.factories import tier


def stored(path: tuple[str | int, ...] = (), value: Any = None) -> dict[str, Any]:
    """A stored document with another value at a place."""
    found = tier(routes=[*ROUTES], objectives=[*OBJECTIVES]).document()
    part: Any = found
    for step in path[:-1]:
        part = part[step]
    if path:
        part[path[-1]] = value
    return found


ROUTES = (
    {"name": "shop", "hosts": ["shop.test"], "split": {"shop-v1": 10000, "shop-v2": 0}},
    {"name": "payments", "hosts": ["payments.test"], "upstream": "payments", "timeout": "9s"},
)
OBJECTIVES = ({"name": "served", "kind": "route_availability", "route": "shop", "target": 99.9},)


def understood(path: tuple[str | int, ...], value: Any) -> Read:
    return read("edge", stored(path, value))


def test_what_is_right_is_read_as_ever() -> None:
    found = read("edge", stored())
    assert (found.refused, found.unread) == ((), ())
    assert found.tier == tier(routes=[*ROUTES], objectives=[*OBJECTIVES])


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("limits", "max_connections"), 0, "limits.max_connections"),
        (("routes", 0, "split"), {"shop-v1": 9000, "shop-v2": 0}, "routes[0].split"),
        (("routes", 0, "hosts"), ["Shop.test"], "routes[0].hosts[0]"),
        (("routes", 0, "split"), {}, "routes[0]"),
        (("name",), "Edge", "name"),
        (("upstreams", 0, "later"), None, "upstreams[0].later"),
    ],
)
def test_what_a_rule_refuses_is_read_and_told(path: tuple[str | int, ...], value: Any, place: str) -> None:
    found = understood(path, value)
    assert found.unread == ()
    assert place in [where for where, _ in found.refused]
    assert found.servable


def test_what_a_rule_refuses_keeps_its_value_and_what_stands_beside_it() -> None:
    found = understood(("routes", 1, "hosts"), ["Payments.test"]).tier.routes[1]
    assert (found.hosts, found.timeout) == (("Payments.test",), timedelta(seconds=9))


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("routes", 0, "access", "second_factor"), "totp", "routes[0].access.second_factor"),
        (("routes", 0, "access", "second_factor"), False, "routes[0].access.second_factor"),
        (("limits", "max_connections"), "many", "limits.max_connections"),
        (("routes", 1, "timeout"), "a while", "routes[1].timeout"),
        (("routes", 0, "retry", "retry_on"), ["weather"], "routes[0].retry.retry_on[0]"),
        (("upstreams", 0, "endpoints"), "all", "upstreams[0].endpoints"),
    ],
)
def test_what_may_be_a_demand_is_not_left_out_in_silence(
    path: tuple[str | int, ...], value: Any, place: str
) -> None:
    found = understood(path, value)
    assert [where for where, _ in found.unread] == [place]
    assert not found.servable


def test_what_no_proxy_hears_of_keeps_nothing_from_them() -> None:
    found = understood(("objectives", 0, "kind"), "happiness")
    assert found.servable
    assert [where for where, _ in found.unread] == ["objectives[0].kind"]
    assert found.tier.objectives == ()


@pytest.mark.parametrize("document", [None, [], "edge", {}, {"proxies": 7}])
def test_what_is_no_tier_at_all_is_told_and_not_served(document: object) -> None:
    found = read("edge", document)
    assert found.tier.name == "edge"
    assert not found.servable
