"""The arithmetic of retries along a chain, with the source document's own example."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning.domain import graph
from planning.domain.amplification import Amplification, Policy, amplification, worse

GATEWAY = "edge/shop"


def chain(*attempts: int, retries_at: str | None = None) -> graph.CallGraph:
    """clients -> a, through the gateway -> b -> c ...: each calls the next with so many attempts."""
    names = "abcdefgh"
    calls: list[dict[str, object]] = [{"from": "clients", "to": "a", "route": GATEWAY}]
    calls += [{"from": names[i], "to": names[i + 1], "attempts": tries} for i, tries in enumerate(attempts)]
    return graph.read({"calls": calls, "retries_at": retries_at})


def at(found: Amplification, service: str) -> tuple[float, float]:
    load = found.load(service)
    assert load is not None
    return load.worst, load.budgeted


def test_three_layers_of_three_attempts_make_27_of_one() -> None:
    """3 (gateway) x 3 (A) x 3 (B) = 27x the intended load on the database."""
    found = amplification(chain(3, 3), {GATEWAY: Policy(3)})
    assert at(found, "a") == (3, 3)
    assert at(found, "b") == (9, 9)
    assert at(found, "c") == (27, 27)
    load = found.load("c")
    assert load is not None
    assert load.formula == "3 (edge/shop) x 3 (a) x 3 (b)"


def test_a_budget_bounds_a_layer_whatever_its_attempts() -> None:
    """3 tries with 20 % budget are 1.2 at most: 1.2 x 3 x 3 = 10.8, and 27 without the budget."""
    found = amplification(chain(3, 3), {GATEWAY: Policy(3, 0.2)})
    assert at(found, "c") == pytest.approx((27, 10.8))


def test_one_layer_alone_multiplies_by_its_own_tries() -> None:
    found = amplification(chain(1, 1), {GATEWAY: Policy(3, 0.2)})
    assert at(found, "c") == pytest.approx((3, 1.2))
    assert [load.others for load in found.loads] == [(), (), ()]


def test_layers_that_retry_beside_another_are_flagged_and_the_clients_is_kept() -> None:
    """Retry at one layer, ideally the one closest to the client, or a designated one."""
    found = amplification(chain(3, 1), {GATEWAY: Policy(3, 0.2)})
    assert [(load.service, load.keep) for load in found.flagged] == [("b", GATEWAY), ("c", GATEWAY)]
    assert [layer.name for layer in found.flagged[0].retrying] == [GATEWAY, "a"]
    designated = amplification(chain(3, 1, retries_at="a"), {GATEWAY: Policy(3, 0.2)})
    assert {load.keep for load in designated.flagged} == {"a"}


def test_a_layer_with_a_budget_of_nothing_does_not_retry() -> None:
    assert not amplification(chain(3), {GATEWAY: Policy(3, 0.0)}).flagged


def test_a_route_that_no_tier_has_is_named() -> None:
    found = amplification(chain(2), {})
    assert found.unknown == (GATEWAY,)
    assert at(found, "b") == (2, 2)


def test_calls_per_request_weigh_the_ways_into_a_service() -> None:
    """Meant: 1 from a and 3 from b. At worst a sends 4 and b 3: 7 where 4 were meant."""
    calls = [
        {"from": "a", "to": "db", "attempts": 4},
        {"from": "b", "to": "db", "per_request": 3},
    ]
    assert at(amplification(graph.read({"calls": calls}), {}), "db") == (7 / 4, 7 / 4)


def test_a_services_own_client_and_its_route_are_two_layers() -> None:
    calls = [{"from": "clients", "to": "a", "route": GATEWAY, "attempts": 2}]
    found = amplification(graph.read({"calls": calls}), {GATEWAY: Policy(3)})
    assert at(found, "a") == (6, 6)
    assert found.flagged[0].formula == "2 (clients) x 3 (edge/shop)"


def test_only_what_a_change_makes_worse_is_told() -> None:
    then = amplification(chain(3), {GATEWAY: Policy(3, 0.2)})
    now = amplification(chain(3), {GATEWAY: Policy(1)})
    assert worse(then, then) == ()
    assert worse(then, now) == ()
    told = worse(now, then)
    assert told[0] == "one request can become 1.2 at a (before: 1), 3 without budgets (before: 1)"
    assert len(told) == 2


@given(st.lists(st.integers(1, 5), min_size=1, max_size=7), st.floats(0, 1))
def test_a_budget_never_makes_it_worse_and_nothing_is_below_one(attempts: list[int], budget: float) -> None:
    found = amplification(chain(*attempts), {GATEWAY: Policy(3, budget)})
    for load in found.loads:
        assert 1 <= load.budgeted <= load.worst + 1e-9
