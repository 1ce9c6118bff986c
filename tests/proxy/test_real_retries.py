"""Retries and hedges on real Envoys, counted at the backends: what is sent again, how often, and where."""

from collections import Counter
from typing import Any

import pytest

from tests.proxy.asking import ask, endpoints, serve, total
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

TRIO = ("shop-v1-a", "shop-v1-b", "shop-v2-a")
PAIR = ("shop-v1-a", "shop-v1-b")
FAILED = {"attempt": "1", "code": "0", "flags": "UT"}
QUIET = {"outlier_detection": {"enabled": False}}
CUT: dict[str, Any] = {"error_rate": 1, "reset": True}


def served(world: World, *backends: str, upstream: Any = None, **route: Any) -> None:
    """One route, r.test, to these backends; none of them is ejected."""
    one: dict[str, Any] = {"name": "r", "endpoints": endpoints(world, *backends), **QUIET}
    if len(backends) > 2:
        one["accepted"] = {"outlier_detection.enabled": "attempts are counted"}
    serve(
        world,
        upstreams=[{**one, **(upstream or {})}],
        routes=[{"name": "r", "hosts": ["r.test"], "upstream": "r", **route}],
    )


def statuses(asked: Any) -> Counter[int]:
    return Counter(one.status for one in asked)


def attempts(world: World, **labels: str) -> float:
    return world.metric("envoy_sluice_attempt", route="r", **labels)


def test_a_post_is_never_retried(world: World) -> None:
    served(world, *PAIR)
    world.fault("shop-v1-a", **CUT)
    before, cut = total(world, *PAIR), total(world, "shop-v1-a")

    asked = ask(world, "r.test", 30, method="POST")

    assert total(world, *PAIR) - before == 30
    assert statuses(asked)[503] == total(world, "shop-v1-a") - cut > 0


def test_a_post_with_an_idempotency_key_is_retried(world: World) -> None:
    served(world, *PAIR)
    world.fault("shop-v1-a", **CUT)
    before = total(world, *PAIR)

    asked = ask(world, "r.test", 30, method="POST", headers={"idempotency-key": "k"})

    assert statuses(asked) == {200: 30}
    assert total(world, *PAIR) - before > 30


def test_an_answer_of_the_application_is_retried_only_where_it_was_asked_for(world: World) -> None:
    world.fault("payments-a", error_rate=1, status=502)
    served(world, "payments-a")
    before = total(world, "payments-a")
    assert statuses(ask(world, "r.test", 5)) == {502: 5}
    assert total(world, "payments-a") - before == 5

    asked_for = {"retry": {"retry_on": ["gateway-error"], "attempts": 1}}
    served(world, "payments-a", **asked_for, accepted={"retry.retry_on": "a test"})
    assert statuses(ask(world, "r.test", 5)) == {502: 5}
    assert total(world, "payments-a") - before == 15


def test_the_second_attempt_goes_to_another_host(world: World) -> None:
    served(world, *TRIO)
    world.fault("shop-v1-a", **CUT)
    first, again = (total(world, "shop-v1-a", which=which) for which in ("first", "retried"))
    others = total(world, "shop-v1-b", "shop-v2-a", which="retried")

    asked = ask(world, "r.test", 60)

    assert statuses(asked) == {200: 60}
    assert total(world, "shop-v1-a", which="retried") == again
    met = total(world, "shop-v1-a", which="first") - first
    assert total(world, "shop-v1-b", "shop-v2-a", which="retried") - others == met > 5


def test_retries_stay_within_the_budget_where_everything_fails(world: World) -> None:
    """Beside them three plain retries: a budget of 100 % with a high floor bounds nothing."""
    plain = {
        "retry_budget": {"percent": 100, "min_concurrency": 1000},
        "accepted": dict.fromkeys(("retry_budget.percent", "retry_budget.min_concurrency"), "a comparison"),
    }
    tries = {"retry": {"attempts": 3}, "timeout": "10s", "accepted": {"retry.attempts": "a comparison"}}
    serve(
        world,
        upstreams=[
            {"name": "budgeted", "endpoints": endpoints(world, "payments-a"), **QUIET},
            {"name": "plain", "endpoints": endpoints(world, "admin-a"), **plain, **QUIET},
        ],
        routes=[
            {"name": name, "hosts": [f"{name}.test"], "upstream": name, **tries}
            for name in ("budgeted", "plain")
        ],
    )
    world.fault("payments-a", latency_ms=200, **CUT)
    world.fault("admin-a", latency_ms=200, **CUT)
    budgeted, bare = total(world, "payments-a"), total(world, "admin-a")

    asked = ask(world, "budgeted.test", 600, at_once=60)
    also = ask(world, "plain.test", 120, at_once=60)

    assert statuses(asked) == {503: 600}
    assert statuses(also) == {503: 120}
    assert 600 < total(world, "payments-a") - budgeted <= 1.2 * 600
    assert total(world, "admin-a") - bare == 4 * 120


def test_the_wait_of_retry_after_is_respected(world: World) -> None:
    served(world, "payments-a", timeout="5s")
    world.fault("payments-a", error_rate=1, status=503, retry_after=1, first_attempt_only=True)

    (answer,) = ask(world, "r.test", 1)
    (refused,) = ask(world, "r.test", 1, method="POST")

    assert answer.status == 200
    assert answer.seconds >= 1
    assert refused.status == 503
    assert refused.seconds < 1


def test_a_503_that_does_not_ask_for_it_is_not_retried(world: World) -> None:
    served(world, "payments-a")
    world.fault("payments-a", error_rate=1, status=503)
    before = total(world, "payments-a")
    assert statuses(ask(world, "r.test", 5)) == {503: 5}
    assert total(world, "payments-a") - before == 5


def test_a_try_that_takes_too_long_is_followed_by_one_elsewhere(world: World) -> None:
    served(world, *PAIR, upstream={"lb_policy": "round_robin"}, retry={"per_try_timeout": "200ms"})
    world.fault("shop-v1-a", latency_ms=1500)
    before = total(world, "shop-v1-a", which="first")
    asked = ask(world, "r.test", 6)
    assert statuses(asked) == {200: 6}
    assert total(world, "shop-v1-a", which="first") > before
    assert max(one.seconds for one in asked) < 1.2


def test_a_slow_host_beside_a_fast_one_makes_no_hedged_request_slow(world: World) -> None:
    served(world, *PAIR, hedge="100ms", timeout="3s", upstream={"lb_policy": "round_robin"})
    world.fault("shop-v1-a", latency_ms=1500)

    asked = ask(world, "r.test", 20)

    assert statuses(asked) == {200: 20}
    assert max(one.seconds for one in asked) < 1


def test_a_post_is_not_hedged_and_keeps_the_time_of_a_try(world: World) -> None:
    served(world, *PAIR, hedge="100ms", timeout="3s", upstream={"lb_policy": "round_robin"})
    world.fault("shop-v1-a", latency_ms=500)
    before = total(world, *PAIR)

    asked = ask(world, "r.test", 4, method="POST")

    assert statuses(asked) == {200: 4}
    assert total(world, *PAIR) - before == 4
    assert max(one.seconds for one in asked) > 0.4


def test_hedges_are_within_the_retry_budget(world: World) -> None:
    spent = {"lb_policy": "round_robin", "retry_budget": {"percent": 0, "min_concurrency": 0}}
    served(world, *PAIR, hedge="100ms", timeout="3s", upstream=spent)
    world.fault("shop-v1-a", latency_ms=500)
    before = total(world, *PAIR)

    asked = ask(world, "r.test", 4)

    assert statuses(asked) == {200: 4}
    assert total(world, *PAIR) - before == 4


def test_an_overlay_that_takes_the_retries_takes_the_hedges_too(world: World) -> None:
    served(world, *PAIR, hedge="100ms", timeout="3s", upstream={"lb_policy": "round_robin"})
    _, generation = world.put({"kind": "retry_off", "route": "r"}, "route/r/retry")
    world.wait_acked(generation)
    world.fault("shop-v1-a", latency_ms=500)
    before = total(world, *PAIR)

    asked = ask(world, "r.test", 4)

    assert statuses(asked) == {200: 4}
    assert total(world, *PAIR) - before == 4


def test_a_first_attempt_that_a_hedge_overtook_is_neither_good_nor_bad(world: World) -> None:
    served(world, *PAIR, hedge="100ms", timeout="3s", upstream={"lb_policy": "round_robin"})
    unknown, second = {"attempt": "1", "code": "0", "flags": "-"}, {"attempt": "2", "code": "200"}
    before, hedged, failed = (attempts(world, **labels) for labels in (unknown, second, FAILED))
    world.fault("shop-v1-a", latency_ms=1500)
    slow = total(world, "shop-v1-a", which="first")

    ask(world, "r.test", 10)

    met = total(world, "shop-v1-a", which="first") - slow
    assert met > 0
    wait_until(lambda: attempts(world, **unknown) - before == met, timeout=5, what="overtaken first attempts")
    assert attempts(world, **second) - hedged == met
    assert attempts(world, **FAILED) == failed


def test_a_first_attempt_that_answered_late_is_good_and_one_that_never_did_is_bad(world: World) -> None:
    served(world, "payments-a", hedge="100ms", timeout="1s", retry={"attempts": 1})
    late = {"attempt": "1", "code": "200", "flags": "-"}
    good, bad = attempts(world, **late), attempts(world, **FAILED)
    world.fault("payments-a", latency_ms=300)
    assert statuses(ask(world, "r.test", 3)) == {200: 3}
    wait_until(lambda: attempts(world, **late) - good == 3, timeout=5, what="late answers")
    assert attempts(world, **FAILED) == bad

    world.fault("payments-a", latency_ms=2500)
    assert statuses(ask(world, "r.test", 3)) == {504: 3}
    wait_until(
        lambda: attempts(world, **FAILED) - bad == 3, timeout=5, what="first attempts that never ended"
    )
