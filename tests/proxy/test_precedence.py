"""The order of a host's routes, and what is never reached in it."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain import claims, precedence
from proxy.domain.tier import Route


def route(name: str, *, hosts: tuple[str, ...] = ("a.test",), **match: Any) -> Route:
    given = {"name": name, "hosts": hosts, "match": match, "upstream": "backend"}
    return Route.model_validate(given)


def order(*routes: Route) -> list[str]:
    return [each.name for each in precedence.in_order(routes)]


def problems(*routes: Route) -> list[tuple[str, str]]:
    return list(precedence.problems(list(enumerate(routes)), "tiers[0]"))


def header(**condition: Any) -> list[dict[str, Any]]:
    return [{"name": "x-a", **condition}]


def test_the_more_a_path_says_the_earlier_it_is_tried() -> None:
    routes = [
        route("all"),
        route("short", prefix="/a"),
        route("long", prefix="/a/b/c"),
        route("regex", safe_regex="/a/b[0-9]"),
        route("template", path_template="/a/{id}"),
        route("wordy-template", path_template="/a/{id}/items"),
        route("whole", path="/a"),
    ]
    assert order(*routes) == ["whole", "wordy-template", "template", "regex", "long", "short", "all"]


def test_of_one_path_the_more_conditions_and_the_exacter_ones_come_first() -> None:
    routes = [
        route("any"),
        route("two-methods", methods=["GET", "POST"]),
        route("method", methods=["GET"]),
        route("there", headers=header(present_match=True)),
        route("exact", headers=header(exact="b")),
        route("both", methods=["GET"], headers=header(exact="b")),
    ]
    assert order(*routes) == ["both", "exact", "there", "method", "two-methods", "any"]


def test_equals_are_tried_in_the_order_of_the_file() -> None:
    one, two = route("one", headers=header(exact="b")), route("two", headers=header(exact="c"))
    assert order(one, two) == ["one", "two"]
    assert order(two, one) == ["two", "one"]


def test_the_same_host_path_and_conditions_go_to_one_route_only() -> None:
    one = route("one", hosts=("b.test", "a.test"), methods=["GET", "POST"])
    two = route("two", methods=["POST", "GET"])
    assert problems(one, two) == [("tiers[0].routes[1].hosts[0]", "a.test/ already goes to route one")]


@pytest.mark.parametrize(
    ("taker", "taken"),
    [
        ({"safe_regex": "/.*"}, {"prefix": "/a"}),
        ({"safe_regex": ".*"}, {}),
        ({"safe_regex": "^/a/.*$"}, {"prefix": "/a/b"}),
        ({"safe_regex": r"/a\.b(/.*)?"}, {"prefix": "/a.b"}),
        ({"safe_regex": "/a.*"}, {"safe_regex": "/ab"}),
        ({"safe_regex": "/.*", "headers": header(exact="b")}, {"prefix": "/a", "headers": header(exact="b")}),
        ({"safe_regex": "/.*", "methods": ["GET", "PUT"]}, {"prefix": "/a", "methods": ["PUT"]}),
        ({"safe_regex": "/.*", "headers": header(present_match=True)}, {"headers": header(prefix="b")}),
    ],
)
def test_a_route_behind_one_that_takes_all_of_its_requests_is_refused(
    taker: dict[str, Any], taken: dict[str, Any]
) -> None:
    found = problems(route("taken", **taken), route("taker", **taker))
    assert [place for place, _ in found] == ["tiers[0].routes[0].hosts[0]"]


def test_why_a_route_is_never_reached_is_told() -> None:
    found = problems(route("api", prefix="/api"), route("wide", safe_regex="/.*"))
    assert found == [
        (
            "tiers[0].routes[0].hosts[0]",
            "is never reached: route wide (matching /.*) is tried before it and takes all such of a.test",
        )
    ]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"safe_regex": "/a/.*"}, {"prefix": "/a"}),
        ({"safe_regex": "/a(/.*)?"}, {"prefix": "/ab"}),
        ({"safe_regex": "/a[0-9]+"}, {"prefix": "/a"}),
        ({"safe_regex": "/.*", "headers": header(exact="b")}, {"prefix": "/a"}),
        ({"path_template": "/a/{rest=**}"}, {"prefix": "/a/"}),
        ({"headers": header(present_match=True)}, {"headers": header(exact="b")}),
        ({"headers": header(present_match=False)}, {"headers": header(exact="b", invert_match=True)}),
        ({"methods": ["GET"]}, {"methods": ["POST"]}),
    ],
)
def test_a_route_that_some_request_can_reach_is_taken(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert problems(route("one", **one), route("two", **two)) == []
    assert problems(route("two", **two), route("one", **one)) == []


def test_ten_thousand_routes_on_one_path_are_judged_at_once() -> None:
    many = [route(f"r{number}", headers=header(exact=str(number))) for number in range(10_000)]
    assert problems(*many) == []


matches = st.fixed_dictionaries(
    {},
    optional={
        "prefix": st.sampled_from(["/", "/a", "/a/", "/ab"]),
        "methods": st.sampled_from([["GET"], ["POST"], ["GET", "POST"]]),
        "headers": st.sampled_from([header(exact="b"), header(present_match=True)]),
    },
)


@given(st.lists(matches, min_size=2, max_size=6))
def test_the_order_does_not_depend_on_the_file_where_no_two_are_equal(given: list[dict[str, Any]]) -> None:
    unique = list({repr(sorted(match.items())): match for match in given}.values())
    routes = [route(f"r{number}", **match) for number, match in enumerate(unique)]
    keys = [precedence._key(each.match) for each in routes]
    if len(set(keys)) == len(keys):
        assert order(*routes) == order(*reversed(routes))


@given(st.lists(matches, min_size=2, max_size=6))
def test_the_route_that_takes_all_of_a_match_is_found_as_if_one_went_through_all(
    given: list[dict[str, Any]],
) -> None:
    wanted, *routes = [route(f"r{index}", **each) for index, each in enumerate(given)]
    in_turn = (each for each in precedence.in_order(routes) if precedence.takes(each.match, wanted.match))
    assert precedence.Tried(routes).first(wanted.match) == next(in_turn, None)


def test_ten_thousand_routes_behind_claims_are_judged_at_once() -> None:
    def first(index: int) -> Route:
        return Route.model_validate(
            {
                "name": f"first{index}",
                "hosts": ["a.test"],
                "prefix": f"/{index}",
                "upstream": "backend",
                "access": {"jwt": "idp"},
            }
        )

    def gold(index: int) -> Route:
        return route(
            f"gold{index}", prefix=f"/{index}", claims=[{"provider": "idp", "claim": "a", "exact": "b"}]
        )

    routes = [made for index in range(5_000) for made in (first(index), gold(index))]
    began = time.perf_counter()
    assert list(claims.problems(list(enumerate(routes)), {"idp"}, "tiers[0]")) == []
    assert time.perf_counter() - began < 30  # each looked at by all others: minutes
