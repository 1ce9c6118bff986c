import re
from typing import Any

import pytest

from proxy.domain import document
from proxy.domain.errors import Invalid
from tests.proxy.factories import declaration
from tests.proxy.factories import document as declared

FIVE_MISTAKES = """
tiers:
- name: edge
  proxies: [{name: edge-1, http_port: 99999, https_port: 10443, admin_port: 19001}]
  upstreams:
  - {name: shop-v1, endpoints: [{port: 11001}], conect_timeout: 1s}
  routes:
  - {name: shop, hosts: [shop.test], split: {shop-v1: 9000, shop-v2: 500}}
  - {name: pay, hosts: [pay.test], upstream: shop-v1, timeout: soon}
"""


def mistakes(text_or_document: str | dict[str, Any]) -> dict[str, str]:
    given = (
        document.load(text_or_document, environment={})
        if isinstance(text_or_document, str)
        else text_or_document
    )
    with pytest.raises(Invalid) as refused:
        document.parse(given)
    return dict(refused.value.errors)


def test_five_mistakes_give_five_errors_with_their_paths() -> None:
    assert set(mistakes(FIVE_MISTAKES)) == {
        "tiers[0].proxies[0].http_port",
        "tiers[0].upstreams[0].conect_timeout",
        "tiers[0].routes[0].split",
        "tiers[0].routes[0].split.shop-v2",
        "tiers[0].routes[1].timeout",
    }


def test_a_variable_with_a_default_is_replaced_from_the_environment() -> None:
    text = "tiers: [{port: '${PORT:-10080}', other: '${OTHER:-1}'}]"
    read = document.load(text, environment={"PORT": "7"})
    assert read == {"tiers": [{"port": "7", "other": "1"}]}


def test_a_variable_without_value_or_default_is_an_error_with_its_path() -> None:
    with pytest.raises(Invalid) as refused:
        document.load("tiers: [{port: '${PORT}'}]", environment={})
    assert refused.value.errors == [("tiers[0].port", "the variable PORT is not set and has no default")]


def test_a_key_that_stands_twice_is_an_error() -> None:
    with pytest.raises(Invalid, match="stands twice"):
        document.load("tiers: []\ntiers: []", environment={})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("? [a, b]\n: c\n", "a key must be a word"),
        ("[" * 3000, "exceeded maximum nesting depth"),
        ("tiers: &a [*a]", "nested too deeply, or an anchor holds itself"),
        ("tiers: [{name: 2024-99-99}]", "not YAML: month must be in 1..12"),
        ("a: &a {x: 1}\nb: {<<: *a, y: 1, y: 2}\n", "'y' stands twice"),
    ],
)
def test_what_no_declaration_can_be_is_told_in_one_line(text: str, why: str) -> None:
    with pytest.raises(Invalid, match=re.escape(why)):
        document.load(text, environment={})


@pytest.mark.parametrize("timeout", ["99999999999999999999d", ".inf", ".nan", "1e300", "true"])
def test_a_duration_that_is_none_is_told_with_its_path(timeout: str) -> None:
    route = f"{{name: a, hosts: [a.test], split: {{a: 10000}}, timeout: {timeout}}}"
    assert "tiers[0].routes[0].timeout" in mistakes(f"tiers: [{{name: edge, routes: [{route}]}}]")


def test_what_somebody_began_to_write_is_not_what_he_left_out() -> None:
    with pytest.raises(Invalid) as raised:
        document.load("tiers:\n- routes:\n  - access:\n      jwt:\n", environment={})
    assert raised.value.errors == [
        ("tiers[0].routes[0].access.jwt", "is empty: write its value, or leave the key out")
    ]


def test_a_mapping_may_merge_another_and_its_own_keys_win() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\n"
    read = document.load(text, environment={})
    assert (read["b"], read["c"]) == ({"x": 1, "y": 2}, {"x": 1, "y": 2})


def test_route_names_are_unique_in_a_tier() -> None:
    routes = [
        {"name": "shop", "hosts": ["a.test"], "upstream": "shop-v1"},
        {"name": "shop", "hosts": ["b.test"], "upstream": "shop-v1"},
    ]
    assert mistakes(declared(routes=routes)) == {"tiers[0].routes[1].name": "the name shop stands twice"}


def test_an_endpoint_s_name_is_unique_in_its_upstream() -> None:
    """Else who drains one by its name drains both."""
    ends = [{"name": "a", "port": 1}, {"name": "a", "port": 2}]
    upstreams = [{"name": "shop-v1", "endpoints": ends}]
    routes = [{"name": "shop", "hosts": ["a.test"], "upstream": "shop-v1"}]
    assert mistakes(declared(upstreams=upstreams, routes=routes)) == {
        "tiers[0].upstreams[0].endpoints[1].name": "the name a stands twice"
    }


def test_two_routes_for_the_same_requests_are_refused() -> None:
    routes = [
        {"name": "a", "hosts": ["shop.test"], "upstream": "shop-v1"},
        {"name": "b", "hosts": ["shop.test"], "upstream": "shop-v1"},
    ]
    assert mistakes(declared(routes=routes)) == {
        "tiers[0].routes[1].hosts[0]": "shop.test/ already goes to route a"
    }


def test_an_objective_on_an_unknown_route_is_refused() -> None:
    objectives = [{"name": "x", "kind": "route_availability", "target": 99.9, "route": "nope"}]
    assert mistakes(declared(objectives=objectives)) == {
        "tiers[0].objectives[0].route": "there is no route nope"
    }


def test_a_declaration_read_back_is_the_same_tier() -> None:
    (tier,) = document.parse(declared())
    assert document.parse({"tiers": [tier.declaration()]}) == (tier,)
    assert document.parse({"tiers": [tier.document()]}) == (tier,)


def test_the_short_form_upstream_is_a_split_of_all() -> None:
    (tier,) = document.parse({"tiers": [declaration()]})
    payments = tier.route("payments")
    assert payments is not None
    assert payments.split == {"payments": 10000}
