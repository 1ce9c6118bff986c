"""The sentence of a tier: whose fault, and is a machine acting."""

from datetime import timedelta
from typing import Any

import pytest

from dashboard.domain.sentence import RouteFacts, TierFacts, sentence

FRESH = timedelta(seconds=1)


def facts(**changes: Any) -> TierFacts:
    known: dict[str, Any] = {
        "tier": "edge",
        "proxies": 2,
        "connected": 2,
        "age": FRESH,
        "added_p99_ms": 0.9,
        "threshold_ms": 3.0,
        "routes": [RouteFacts("shop", 0.0, 0.0, {"shop-v1": 0.0})],
    }
    return TierFacts(**{**known, **changes})


def test_a_healthy_tier_says_what_the_proxy_adds() -> None:
    said = sentence(facts())

    assert said.kind == "good"
    assert said.says == "edge is healthy: proxies and backends answer, the proxy adds 0.90 ms at p99."
    assert said.machine == "No machine is acting."


def test_a_failing_backend_is_named_and_the_proxy_is_cleared() -> None:
    shop = RouteFacts("shop", 0.0, 0.015, {"shop-v1": 0.001, "shop-v2": 0.3})

    said = sentence(facts(routes=[shop]))

    assert said.kind == "bad"
    assert said.says == "Backend shop-v2 fails 1.50 % of requests to shop; the proxy fails none."


def test_a_failing_backend_behind_a_slow_proxy_is_both() -> None:
    shop = RouteFacts("shop", 0.0, 0.2, {"shop-v1": 0.2})

    said = sentence(facts(routes=[shop], added_p99_ms=8.0))

    assert said.says.endswith("the proxy is slow too, it adds 8.00 ms at p99.")


def test_what_the_proxy_fails_by_itself_has_its_reason() -> None:
    shop = RouteFacts("shop", 0.12, 0.0, {}, {"connect_failed": 0.1, "load_shed": 3.0})

    said = sentence(facts(routes=[shop]))

    assert said.kind == "bad"
    assert said.says == "The proxy itself fails 12.0 % of requests to shop: it sheds load."


def test_a_backend_that_the_proxy_answers_for_is_to_blame() -> None:
    shop = RouteFacts("shop", 0.56, 0.0, {"shop-v1": 0.8}, {"upstream_reset": 61.0})

    said = sentence(facts(routes=[shop]))

    assert said.says == (
        "Backend shop-v1 cuts connections; the proxy answers 5xx to 56.0 % of requests to shop in its place."
    )


def test_the_proxy_and_a_backend_failing_are_told_apart() -> None:
    routes = [RouteFacts("shop", 0.1, 0.0), RouteFacts("payments", 0.0, 0.4, {"payments": 0.4})]

    said = sentence(facts(routes=routes))

    assert "The proxy itself fails 10.0 % of requests to shop" in said.says
    assert "Backend payments fails 40.0 % of requests to payments" in said.says


def test_a_failure_that_retries_hide_is_said_all_the_same() -> None:
    shop = RouteFacts("shop", 0.0, 0.0, {"shop-v1": 0.0, "shop-v2": 0.3})

    said = sentence(facts(routes=[shop]))

    assert said.kind == "wait"
    assert said.says == "Backend shop-v2 fails 30.0 % of first attempts on shop; retries heal it."


def test_a_canary_that_fails_a_little_of_the_route_is_named_with_what_is_felt() -> None:
    shop = RouteFacts("shop", 0.0, 0.004, {"shop-v1": 0.0, "shop-v2": 0.1})

    assert sentence(facts(routes=[shop])).says == (
        "Backend shop-v2 fails 10.0 % of first attempts on shop; 0.40 % of the route's requests fail."
    )


def test_a_backend_whose_traffic_was_taken_away_is_past() -> None:
    shop = RouteFacts("shop", 0.0, 0.02, {"shop-v1": 0.0, "shop-v2": 0.3}, idle=frozenset({"shop-v2"}))

    said = sentence(facts(routes=[shop]))

    assert said.kind == "acting"
    assert said.says == "Backend shop-v2 failed on shop; its traffic was taken away, the rest answers."


def test_a_slow_proxy_is_measured_against_its_objective() -> None:
    said = sentence(facts(added_p99_ms=4.2))

    assert said.kind == "wait"
    assert "4.20 ms at p99, the objective is 3.00 ms" in said.says


def test_without_prometheus_nothing_is_claimed_about_traffic() -> None:
    said = sentence(facts(unreachable="connection refused", age=None))

    assert said.kind == "unknown"
    assert said.says.startswith("Nothing is known about edge: Prometheus does not answer")


def test_old_data_is_no_data() -> None:
    said = sentence(facts(age=timedelta(seconds=75)))

    assert said.kind == "unknown"
    assert said.says == "No data about edge since 1 min 15 s ago; 2 of 2 proxies are connected."


def test_a_tier_that_is_not_scraped_has_no_data() -> None:
    assert sentence(facts(age=None)).says.startswith("No data about edge: no proxy is scraped")


@pytest.mark.parametrize(("connected", "words"), [(1, "1 of 2 proxies are"), (0, "2 of 2 proxies are")])
def test_a_proxy_that_is_not_connected_goes_on_serving(connected: int, words: str) -> None:
    said = sentence(facts(connected=connected))

    assert said.kind == "wait"
    assert said.says.startswith(words)


def test_what_the_machine_does_and_what_it_waits_for_are_said() -> None:
    said = sentence(facts(acting=["rollout 3 is running at 5 %"], waiting=["run 2 waits for approval"]))

    assert said.machine == "Rollout 3 is running at 5 %; a person is needed: run 2 waits for approval."


def test_a_tier_with_an_open_page_or_a_burning_budget_is_not_called_healthy() -> None:
    said = sentence(facts(paging=["incident 7", "incident 4"], burning=["shop"]))

    assert said.kind == "wait"
    assert said.says == ("edge answers now, but incident 7 and 1 more are open; the budget of shop burns.")


def test_what_fails_now_is_said_before_what_is_still_open() -> None:
    shop = RouteFacts("shop", 0.0, 0.4, {"shop-v1": 0.4})

    assert sentence(facts(routes=[shop], paging=["incident 7"])).says.startswith("Backend shop-v1 fails")
