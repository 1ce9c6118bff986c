"""The declared call graph: read whole, or refused with the path of what is wrong."""

import pytest

from planning.domain import graph
from proxy.domain.errors import Invalid

CHAIN = {
    "calls": [
        {"from": "clients", "to": "shop", "route": "edge/shop"},
        {"from": "shop", "to": "stock", "attempts": 3},
        {"from": "stock", "to": "db", "attempts": 3, "budget_percent": 10.0, "per_request": 2.0},
    ],
    "retries_at": "edge/shop",
}


def refused(given: object) -> dict[str, str]:
    with pytest.raises(Invalid) as error:
        graph.read(given)
    return dict(error.value.errors)


def test_what_was_read_is_given_back_as_it_was_declared() -> None:
    assert graph.read(CHAIN).as_data() == CHAIN


def test_callers_come_before_those_they_call() -> None:
    assert graph.read(CHAIN).order() == ("clients", "shop", "stock", "db")


def test_a_circle_is_refused_and_named() -> None:
    calls = [{"from": "a", "to": "b"}, {"from": "b", "to": "a"}]
    (said,) = refused({"calls": calls}).values()
    assert said.startswith("the calls go in a circle: ")
    assert said.count(" -> ") == 2


def test_a_service_that_calls_itself_is_a_circle() -> None:
    assert refused({"calls": [{"from": "a", "to": "a"}]}) == {
        "call_graph": "the calls go in a circle: a -> a"
    }


def test_every_problem_bears_its_path() -> None:
    calls = [
        {"from": "a b", "to": "c"},
        {"from": "c", "to": "d", "route": "shop"},
        {"from": "d", "to": "e", "attempts": 0},
    ]
    found = refused({"calls": calls})
    assert found["call_graph.calls[0].from"] == "not a name: write letters, digits, dots, - and _"
    assert found["call_graph.calls[1].route"] == "not a name: write tier/route"
    assert "greater than or equal to 1" in found["call_graph.calls[2].attempts"]


def test_a_pair_stands_once() -> None:
    assert refused({"calls": [{"from": "a", "to": "b"}] * 2}) == {
        "call_graph": "a calls b twice: say it once, with per_request"
    }


def test_who_retries_must_call_somebody() -> None:
    assert refused({"calls": [{"from": "a", "to": "b"}], "retries_at": "b"}) == {
        "call_graph": "retries_at names b, which calls nothing here"
    }
