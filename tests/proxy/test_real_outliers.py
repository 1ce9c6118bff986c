"""Outlier detection on real Envoys, counted at the backends: who is left out, how many, and for how long."""

from typing import Any

import pytest

from tests.proxy.asking import Asked, ask, endpoints, serve, total
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

TRIO = ("shop-v1-a", "shop-v1-b", "shop-v2-a")
BAD = "shop-v1-a"
SPLIT = {"outlier_detection.split_external_local_origin_errors": "to show what it does"}
NEVER_IN_A_ROW = {"consecutive_failures": 100_000}


def served(
    world: World, route: Any = None, accepted: Any = None, fields: Any = None, **detection: Any
) -> None:
    """One route, o.test, without retries, to three backends of which one after the other is asked."""
    upstream: dict[str, Any] = {"name": "o", "endpoints": endpoints(world, *TRIO), "lb_policy": "round_robin"}
    upstream["accepted"] = accepted or {}
    tries: dict[str, Any] = {"retry": {"attempts": 0}, **(route or {})}
    serve(
        world,
        upstreams=[
            {**upstream, **(fields or {}), "outlier_detection": {"base_ejection_time": "60s", **detection}}
        ],
        routes=[{"name": "o", "hosts": ["o.test"], "upstream": "o", **tries}],
    )


def statuses(asked: list[Asked]) -> set[int]:
    return {one.status for one in asked}


def ejected(world: World) -> float:
    return world.metric("envoy_cluster_outlier_detection_ejections_active", envoy_cluster_name="o")


def test_five_bad_answers_in_a_row_eject_and_the_ejected_comes_back(world: World) -> None:
    served(world, base_ejection_time="1s", interval="200ms", max_ejection_time="1s")
    world.fault(BAD, error_rate=1, status=503)
    before = total(world, BAD)

    asked = ask(world, "o.test", 60)

    assert sum(one.status == 503 for one in asked) == total(world, BAD) - before == 5
    world.fault(BAD)
    healthy = total(world, BAD)
    wait_until(lambda: ask(world, "o.test", 3) and total(world, BAD) > healthy, timeout=10, what="its return")
    assert {one.status for one in ask(world, "o.test", 9)} == {200}


def test_slow_answers_eject(world: World) -> None:
    served(world, {"retry": {"attempts": 0, "per_try_timeout": "100ms"}})
    world.fault(BAD, latency_ms=1000)
    before = total(world, BAD)
    asked = ask(world, "o.test", 30)
    assert sum(one.status == 504 for one in asked) == total(world, BAD) - before == 5
    assert ejected(world) == 1


def test_split_errors_let_a_slow_endpoint_stay(world: World) -> None:
    """Why it is not the default: each connect that succeeds ends the row of timeouts."""
    slow = {"retry": {"attempts": 0, "per_try_timeout": "100ms"}}
    served(world, slow, accepted=SPLIT, split_external_local_origin_errors=True)
    world.fault(BAD, latency_ms=1000)
    asked = ask(world, "o.test", 30)
    assert sum(one.status == 504 for one in asked) == 10
    assert ejected(world) == 0


@pytest.mark.parametrize("split", [False, True])
def test_refused_connections_eject(world: World, split: bool) -> None:
    served(world, accepted=SPLIT if split else {}, split_external_local_origin_errors=split)
    world.fault(BAD, refuse=True)
    asked = ask(world, "o.test", 30)
    assert sum(one.status == 503 for one in asked) == 5
    assert ejected(world) == 1


def test_no_more_are_ejected_than_the_cap_allows(world: World) -> None:
    served(world)
    world.fault(BAD, error_rate=1, status=503)
    world.fault("shop-v1-b", error_rate=1, status=503)
    asked = ask(world, "o.test", 60)
    assert ejected(world) == 1
    assert sum(one.status == 503 for one in asked) > 20


def test_a_higher_cap_ejects_more(world: World) -> None:
    """Two of three: below the panic threshold, which would have the ejected asked all the same."""
    accepted = {"outlier_detection.max_ejection_percent": "to show it"}
    served(world, {}, accepted, {"healthy_panic_threshold": 0}, max_ejection_percent=70)
    for name in (BAD, "shop-v1-b"):
        world.fault(name, error_rate=1, status=503)
    ask(world, "o.test", 60)
    assert ejected(world) == 2
    # Envoy tells its workers of what follows a change within a second later.
    wait_until(lambda: statuses(ask(world, "o.test", 12)) == {200}, timeout=5, what="both are left out")


def test_the_error_answers_of_an_application_eject_nobody(world: World) -> None:
    served(world)
    world.fault(BAD, error_rate=1, status=500)
    assert sum(one.status == 500 for one in ask(world, "o.test", 30)) == 10
    assert ejected(world) == 0


def test_a_failure_percentage_ejects_who_fails_often_but_not_in_a_row(world: World) -> None:
    rate = {"threshold": 30, "minimum_hosts": 3, "request_volume": 10}
    served(world, interval="500ms", **NEVER_IN_A_ROW, failure_percentage=rate)
    world.fault(BAD, error_rate=0.7, status=503)
    wait_until(
        lambda: ask(world, "o.test", 60, at_once=6) and ejected(world) == 1, timeout=10, what="ejected"
    )


def test_a_success_rate_far_below_the_others_ejects(world: World) -> None:
    rate = {"stdev_factor": 1.2, "minimum_hosts": 3, "request_volume": 10}
    served(world, interval="500ms", **NEVER_IN_A_ROW, success_rate=rate)
    world.fault(BAD, error_rate=0.7, status=503)
    wait_until(
        lambda: ask(world, "o.test", 60, at_once=6) and ejected(world) == 1, timeout=10, what="ejected"
    )
