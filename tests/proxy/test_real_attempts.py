"""When a real Envoy tries again: by which answers, after which wait, and when an attempt stands still."""

import time
from typing import Any

import pytest

from tests.proxy.asking import ask, endpoints, serve, total
from tests.proxy.bodies import mover
from tests.proxy.world import World

pytestmark = pytest.mark.real

TEST = "asked for by a test"


def served(world: World, ends: list[dict[str, Any]], retry: dict[str, Any], **upstream: Any) -> None:
    serve(
        world,
        upstreams=[{"name": "r", "endpoints": ends, **upstream}],
        routes=[
            {
                "name": "r",
                "hosts": ["r.test"],
                "upstream": "r",
                "retry": retry,
                "timeout": "10s",
                "accepted": {"retry.retry_on": TEST} if "retry_on" in retry else {},
            }
        ],
    )


def sent(world: World, count: int = 5) -> int:
    """How many attempts so many requests made."""
    before = total(world, "payments-a")
    ask(world, "r.test", count)
    return total(world, "payments-a") - before


def test_an_answer_is_retried_by_its_code_where_the_code_is_named(world: World) -> None:
    world.fault("payments-a", error_rate=1, status=429)
    by_code = {"attempts": 1, "retry_on": ["retriable-status-codes"]}
    served(world, endpoints(world, "payments-a"), {**by_code, "retriable_status_codes": [409]})
    assert sent(world) == 5
    served(world, endpoints(world, "payments-a"), {**by_code, "retriable_status_codes": [409, 429]})
    assert sent(world) == 10


def test_an_attempt_in_which_nothing_moves_is_followed_by_one_elsewhere(world: World) -> None:
    with mover() as silent:
        ends = [{"port": silent.port}, *endpoints(world, "payments-a")]
        served(world, ends, {"attempts": 1, "per_try_idle_timeout": "300ms"}, lb_policy="round_robin")
        asked = ask(world, "r.test", 4)
        assert {(one.status, one.backend) for one in asked} == {(200, "payments-a")}
        assert 0.3 <= max(one.seconds for one in asked) < 3
        assert silent.requests


def test_a_retry_waits_as_long_as_its_back_off_says(world: World) -> None:
    """Each wait is drawn between nothing and the back-off, so that many are added up."""
    world.fault("payments-a", error_rate=1, reset=True)
    took = {}
    for back_off in ("1ms", "400ms"):
        waits = {"attempts": 1, "back_off": back_off, "max_back_off": back_off}
        served(world, endpoints(world, "payments-a"), waits)
        began = time.monotonic()
        assert sent(world, 12) == 24
        took[back_off] = time.monotonic() - began
    assert took["400ms"] - took["1ms"] > 0.8  # 2.4 s on average, with a deviation of 0.4 s


def test_no_wait_is_longer_than_the_longest_that_is_declared(world: World) -> None:
    world.fault("payments-a", error_rate=1, reset=True)
    served(world, endpoints(world, "payments-a"), {"attempts": 2, "back_off": "20ms", "max_back_off": "20ms"})
    began = time.monotonic()
    assert sent(world, 10) == 30
    assert time.monotonic() - began < 2


def test_a_budget_counts_the_requests_of_its_interval_where_one_is_declared(world: World) -> None:
    """One request at a time: a share of those in flight is nothing, and one of the last seconds' is some."""
    world.fault("payments-a", error_rate=1, reset=True)
    budget: dict[str, Any] = {"percent": 20, "min_concurrency": 0}
    served(world, endpoints(world, "payments-a"), {"attempts": 1}, retry_budget=budget)
    assert sent(world, 20) == 20
    accepted = {"accepted": {"retry_budget.budget_interval": TEST}}
    budget["budget_interval"] = "10s"
    served(world, endpoints(world, "payments-a"), {"attempts": 1}, retry_budget=budget, **accepted)
    assert sent(world, 20) > 25
