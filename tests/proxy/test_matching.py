"""What a declaration may say of matches, splits and actions, and what is told where it is wrong."""

from typing import Any

import pytest

from proxy.domain import document
from proxy.domain.errors import Invalid
from proxy.domain.tier import Route
from tests.proxy import factories


def shop(**fields: Any) -> dict[str, Any]:
    return {"name": "shop", "hosts": ["shop.test"], "split": {"shop-v1": 10000, "shop-v2": 0}, **fields}


def mistakes(*routes: dict[str, Any], **tier: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        document.parse(factories.document(routes=list(routes), **tier))
    return refused.value.errors


def mistake(**fields: Any) -> tuple[str, str]:
    ((path, message),) = mistakes(shop(**fields))
    return path.removeprefix("tiers[0].routes[0]."), message


def test_prefix_and_methods_of_a_route_are_short_for_those_of_its_match() -> None:
    short = Route.model_validate(shop(prefix="/api", methods=["GET"]))
    long = Route.model_validate(shop(match={"prefix": "/api", "methods": ["GET"]}))
    assert short == long
    assert short.match.words == ("/api and below", "method GET")


def test_a_mistake_in_a_short_form_is_told_where_it_was_written() -> None:
    assert mistake(prefix="api")[0] == "prefix"
    assert mistake(methods=["FETCH"])[0] == "methods[0]"
    assert mistake(match={"prefix": "api"})[0] == "match.prefix"


def test_a_match_says_what_it_takes_in_words() -> None:
    match = {
        "path_template": "/orders/{id}",
        "headers": [{"name": "User-Agent", "contains": "Mobile", "ignore_case": True}],
        "query_parameters": [{"name": "v", "exact": "2"}],
        "cookies": [{"name": "beta", "present_match": False}],
        "claims": [{"provider": "idp", "claim": ["realm", "role"], "bool_match": True}],
    }
    assert Route.model_validate(shop(match=match)).match.words == (
        "like /orders/{id}",
        "header user-agent contains Mobile, in any case",
        "query v is 2",
        "cookie beta not: is there",
        "claim realm.role of idp is true",
    )


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"match": {"path": "/x", "prefix": "/y"}}, "match", "one of prefix, path"),
        ({"prefix": "/y", "match": {"prefix": "/y"}}, "", "prefix stands in the route and in its match"),
        ({"match": {"safe_regex": "/a(?=b)"}}, "match.safe_regex", "not a regular expression that RE2 takes"),
        ({"match": {"safe_regex": r"/(a)\1"}}, "match.safe_regex", "backreferences are not supported"),
        ({"match": {"safe_regex": "/a["}}, "match.safe_regex", "unclosed character class"),
        ({"match": {"safe_regex": "user/.*"}}, "match.safe_regex", "never matches: a path begins with /"),
        ({"match": {"path_template": "/a/{b"}}, "match.path_template", "not a path template"),
        ({"match": {"path_template": "/**/a"}}, "match.path_template", "must be the last segment"),
        ({"match": {"path_template": "/{a}/{a}"}}, "match.path_template", "names a variable twice"),
        ({"prefix": "/a//b"}, "prefix", "never matches: of several slashes"),
        ({"prefix": "/a%2Fb"}, "prefix", "never matches: of several slashes"),
        ({"prefix": "/a/../b"}, "prefix", "never matches: the parts . and .. are taken out"),
        ({"match": {"path": "/%61dmin"}}, "match.path", "never matches: for %61 write a"),
        ({"match": {"path": "/é"}}, "match.path", "é as %C3%A9"),
        ({"prefix": "/api/*"}, "prefix", "* stands for itself here"),
        ({"prefix": "api"}, "prefix", "a path begins with /"),
        ({"match": {"path_template": "/%61/{b}"}}, "match.path_template", "never matches: for %61 write a"),
        (
            {"match": {"headers": [{"name": "a_b", "exact": "c"}]}},
            "match.headers[0].name",
            "has an underscore",
        ),
        ({"methods": "GET"}, "methods", "must be a list: [GET]"),
        ({"upstream": "shop-v1"}, "", "upstream stands beside split"),
        ({"match": {"headers": [{"name": "a"}]}}, "match.headers[0]", "needs exactly one of exact, prefix"),
        ({"match": {"headers": [{"name": "a:", "exact": "b"}]}}, "match.headers[0].name", "not of the form"),
        (
            {"match": {"cookies": [{"name": "a", "present_match": True, "ignore_case": True}]}},
            "match.cookies[0]",
            "ignore_case belongs to",
        ),
        ({"split": {}}, "", "needs exactly one of upstream, split, redirect and direct_response"),
        ({"redirect": {"https_redirect": True}}, "", "needs exactly one of upstream, split"),
        ({"split": {}, "redirect": {}}, "redirect", "it would lead to itself"),
        (
            {"split": {}, "direct_response": {"status": 200}, "sticky": {"cookie": "a"}},
            "",
            "sticky belongs to a route with a split",
        ),
        ({"arms": [{"upstream": "shop-v2", "match": {}}]}, "arms[0]", "match needs a condition"),
        (
            {"arms": [{"upstream": "payments", "match": {"headers": [{"name": "a", "exact": "b"}]}}]},
            "",
            "arms[0].upstream: payments is not in the split",
        ),
        ({"sticky": {"cookie": "a", "header": "b"}}, "sticky", "exactly one of cookie and header"),
        ({"prefix_rewrite": "/", "match": {"safe_regex": "/a"}}, "", "prefix_rewrite needs match.prefix"),
        (
            {"regex_rewrite": {"pattern": "/(a)", "substitution": r"/\2"}},
            "regex_rewrite",
            "substitution names group 2, and pattern has 1",
        ),
        (
            {"regex_rewrite": {"pattern": "/(a)", "substitution": r"/\x"}},
            "regex_rewrite",
            "comes the number of a group",
        ),
    ],
)
def test_a_mistake_is_told_with_its_path_and_what_to_do(
    fields: dict[str, Any], path: str, words: str
) -> None:
    found = mistakes(shop(**fields))
    where = f"tiers[0].routes[0].{path}".rstrip(".")
    assert [words for place, message in found if place == where and words in message] == [words], found


def test_an_arm_of_an_unknown_upstream_is_told() -> None:
    arms = [{"upstream": "nope", "match": {"headers": [{"name": "a", "exact": "b"}]}}]
    found = mistakes(shop(arms=arms))
    assert ("tiers[0].routes[0].arms[0].upstream", "there is no upstream nope") in found


IDP = {"name": "idp", "issuer": "i", "audiences": ["a"], "jwks": {"file": "idp.json"}}
GOLD = {"claims": [{"provider": "idp", "claim": "tier", "exact": "gold"}]}


def gold(**fields: Any) -> dict[str, Any]:
    return {"name": "gold", "hosts": ["shop.test"], "upstream": "shop-v2", "match": GOLD, **fields}


def test_a_claim_of_an_unknown_provider_is_told() -> None:
    found = mistakes(shop(), gold())
    assert ("tiers[0].routes[1].match.claims[0].provider", "there is no JWT provider idp") in found


def test_the_route_before_a_claim_is_known_must_demand_the_token() -> None:
    ((path, why),) = mistakes(shop(), gold(), jwt_providers=[IDP])
    assert path == "tiers[0].routes[1].match.claims"
    assert why.startswith("route shop takes a request to shop.test before its token is checked")
    ((path, why),) = mistakes(gold(), jwt_providers=[IDP])
    assert why == "no route of shop.test takes a request before its token is checked"
    ((path, why),) = mistakes(shop(arms=[{"upstream": "shop-v2", "match": GOLD}]), jwt_providers=[IDP])
    assert path == "tiers[0].routes[0].arms[0].match.claims"


def test_a_claim_behind_a_route_that_demands_the_token_is_taken() -> None:
    asking = shop(access={"jwt": "idp"}, arms=[{"upstream": "shop-v2", "match": GOLD}])
    below = gold(prefix="/api")
    document.parse(factories.document(routes=[asking, below], jwt_providers=[IDP]))


def test_a_route_is_exported_as_it_can_be_declared_again() -> None:
    given = shop(
        match={"path_template": "/a/{b}", "headers": [{"name": "X-A", "exact": "b"}]},
        sticky={"cookie": "uid", "ttl": "1h"},
        arms=[{"upstream": "shop-v2", "match": {"cookies": [{"name": "t", "present_match": True}]}}],
        host_rewrite_literal="inner.test",
    )
    (once,) = document.parse(factories.document(routes=[given]))
    (again,) = document.parse({"tiers": [once.declaration()]})
    assert again == once
    assert once.declaration()["routes"][0]["sticky"] == {"cookie": "uid", "ttl": "3600s"}
