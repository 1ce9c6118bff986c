"""Indicators from a real Prometheus that holds a minute of what the proxies print."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from telemetry import selectors
from telemetry.domain import catalogue
from telemetry.domain.errors import MetricsUnavailable
from telemetry.domain.indicators import RouteIndicators, TierIndicators
from telemetry.memory import InMemoryMetrics
from telemetry.prometheus import Prometheus
from tests.support.prometheus import History, prometheus

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=6)
WINDOW = timedelta(minutes=1)
EDGE = {"tier": "edge", "proxy": "edge-1"}
SHOP = {**EDGE, "route": "shop"}
ADDED = {**SHOP, "arm": "shop-v1", "attempts": "1"}


def steady(metric: str, per_second: float, **labels: str) -> History:
    """A counter that grows by `per_second`, scraped each second for 90 s."""
    points = [(NOW - timedelta(seconds=90 - i), per_second * i) for i in range(91)]
    return History(metric, labels, points)


def still(metric: str, value: float, **labels: str) -> History:
    """A gauge that keeps its value."""
    return History(metric, labels, [(NOW - timedelta(seconds=90 - i), value) for i in range(91)])


def answered(per_second: float, *, arm: str, code: str, reason: str = "backend", **more: str) -> History:
    return steady(
        "envoy_sluice_rq", per_second, **{**SHOP, "arm": arm, "code": code, "reason": reason, **more}
    )


def attempted(
    per_second: float, *, arm: str, attempt: str, code: str, flags: str = "-", **more: str
) -> History:
    labels = {**SHOP, "arm": arm, "attempt": attempt, "code": code, "flags": flags, **more}
    return steady("envoy_sluice_attempt", per_second, **labels)


HISTORY = (
    still("up", 1, **EDGE),
    still("up", 0, tier="edge", proxy="edge-2"),
    still("up", 1, tier="other", proxy="other-1"),
    answered(90, arm="shop-v1", code="200"),
    answered(4, arm="shop-v2", code="200"),
    answered(2, arm="shop-v2", code="503"),
    answered(1, arm="shop-v1", code="504", reason="upstream_timeout"),
    answered(2, arm="shop-v1", code="503", reason="circuit_open"),
    answered(1, arm="shop-v1", code="404"),
    answered(5, arm="shop-v1", code="0", reason="client_gone"),
    answered(7, arm="", code="404", reason="no_route", route=""),
    answered(10, arm="payments-v1", code="200", route="payments"),
    answered(10, arm="greeter", code="200", route="greeter", grpc="0"),
    answered(2, arm="greeter", code="200", route="greeter", grpc="13"),
    answered(4, arm="greeter", code="200", route="greeter", grpc="5"),
    answered(3, arm="greeter", code="200", route="greeter", grpc="14", reason="connect_failed"),
    answered(1, arm="greeter", code="200", route="greeter", grpc="", reason="upstream_timeout"),
    answered(6, arm="greeter", code="200", route="greeter", grpc="", reason="client_gone"),
    answered(50, arm="shop-v1", code="500", tier="other"),
    attempted(16, arm="greeter", attempt="1", code="200", route="greeter", grpc="0"),
    attempted(2, arm="greeter", attempt="1", code="200", route="greeter", grpc="13"),
    attempted(6, arm="greeter", attempt="1", code="200", route="greeter", grpc=""),
    attempted(90, arm="shop-v1", attempt="1", code="200"),
    attempted(3, arm="shop-v1", attempt="1", code="0", flags="-"),
    attempted(4, arm="shop-v2", attempt="1", code="200"),
    attempted(3, arm="shop-v2", attempt="1", code="503"),
    attempted(1, arm="shop-v2", attempt="1", code="0", flags="UF"),
    attempted(2, arm="shop-v2", attempt="2", code="200"),
    steady("envoy_sluice_added_us_bucket", 90, **ADDED, le="100"),
    steady("envoy_sluice_added_us_bucket", 99, **ADDED, le="200"),
    steady("envoy_sluice_added_us_bucket", 100, **ADDED, le="3000"),
    steady("envoy_sluice_added_us_bucket", 100, **ADDED, le="+Inf"),
    steady("envoy_sluice_added_us_bucket", 50, **{**ADDED, "attempts": "2"}, le="+Inf"),
    steady("envoy_http_downstream_rq_route_resolution_time_us_bucket", 98, **EDGE, le="5"),
    steady("envoy_http_downstream_rq_route_resolution_time_us_bucket", 100, **EDGE, le="10"),
    steady("envoy_http_downstream_rq_route_resolution_time_us_bucket", 100, **EDGE, le="+Inf"),
    steady("envoy_listener_ssl_handshake", 8, **EDGE),
    steady("envoy_listener_ssl_session_reused", 6, **EDGE),
    steady("envoy_listener_ssl_connection_error", 0.5, **EDGE),
    steady("envoy_listener_ssl_handshake", 9, **EDGE, envoy_listener_address="sluice_admin"),
    steady("envoy_listener_ssl_session_reused", 9, **EDGE, envoy_listener_address="sluice_admin"),
    steady("envoy_listener_ssl_connection_error", 9, **EDGE, envoy_listener_address="sluice_admin"),
    still("envoy_listener_downstream_cx_active", 9, **EDGE, envoy_listener_address="sluice_admin"),
    still("envoy_listener_downstream_cx_active", 12, **EDGE, envoy_listener_address="http"),
    still("envoy_listener_downstream_cx_active", 3, **EDGE, envoy_listener_address="https"),
    still("envoy_cluster_upstream_cx_active", 30, **EDGE, envoy_cluster_name="shop-v1"),
    still("envoy_cluster_circuit_breakers_default_remaining_cx", 90, **EDGE, envoy_cluster_name="shop-v1"),
    steady("envoy_cluster_upstream_rq_retry", 2, **EDGE, envoy_cluster_name="shop-v2"),
    steady("envoy_cluster_upstream_rq_retry", 0, **EDGE, envoy_cluster_name="sluice_ads"),
    still("envoy_cluster_upstream_cx_active", 1, **EDGE, envoy_cluster_name="sluice_admin_19001"),
    still(
        "envoy_cluster_circuit_breakers_default_remaining_cx",
        9,
        **EDGE,
        envoy_cluster_name="sluice_admin_19001",
    ),
    steady("envoy_cluster_upstream_rq_retry_overflow", 1, **EDGE, envoy_cluster_name="shop-v2"),
)


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), history=HISTORY) as running:
        client = Prometheus(running.url, timeout=5.0)
        yield client
        client.close()


@pytest.fixture(scope="module")
def shop(metrics: Prometheus) -> RouteIndicators:
    return selectors.route_indicators(metrics, tier="edge", at=NOW, window=WINDOW)["shop"]


@pytest.fixture(scope="module")
def edge(metrics: Prometheus) -> TierIndicators:
    return selectors.tier_indicators(metrics, tier="edge", at=NOW, window=WINDOW)


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-6)


@pytest.mark.real
def test_only_routes_of_the_tier_with_requests_are_told(metrics: Prometheus) -> None:
    found = selectors.route_indicators(metrics, tier="edge", at=NOW, window=WINDOW)

    assert list(found) == ["greeter", "payments", "shop"]


@pytest.mark.real
def test_errors_of_the_proxy_and_of_the_backend_are_apart(shop: RouteIndicators) -> None:
    assert shop.requests.value == near(100)
    assert shop.proxy_errors.value == near(3)
    assert shop.backend_errors.value == near(2)
    assert shop.proxy_error_ratio == near(0.03)


@pytest.mark.real
def test_grpc_fails_by_its_status_with_the_proxys_own_answers_apart(metrics: Prometheus) -> None:
    greeter = selectors.route_indicators(metrics, tier="edge", at=NOW, window=WINDOW)["greeter"]

    assert greeter.requests.value == near(20)
    assert greeter.backend_errors.value == near(2)
    assert greeter.proxy_errors.value == near(4)
    assert {reason: figure.value for reason, figure in greeter.reasons.items()} == {
        "backend": near(2),
        "connect_failed": near(3),
        "upstream_timeout": near(1),
    }
    assert greeter.arms["greeter"].first_attempt_errors.value == near(2)


@pytest.mark.real
def test_each_reason_has_its_rate(shop: RouteIndicators) -> None:
    rates = {reason: figure.value for reason, figure in shop.reasons.items()}

    assert rates == {"backend": near(2), "circuit_open": near(2), "upstream_timeout": near(1)}


@pytest.mark.real
def test_a_route_without_a_failure_has_none_rather_than_no_data(metrics: Prometheus) -> None:
    payments = selectors.route_indicators(metrics, tier="edge", at=NOW, window=WINDOW)["payments"]

    assert (payments.proxy_errors.value, payments.backend_errors.value) == (0, 0)
    assert payments.added_p99.value is None


@pytest.mark.real
def test_added_latency_is_of_requests_of_one_attempt(shop: RouteIndicators) -> None:
    # 90 of 100 lie at or under 100 us, so the median is at 50/90 of that bucket; the 99th is its edge.
    assert shop.added_p50.value == near(100 * 50 / 90)
    assert shop.added_p99.value == near(200)


@pytest.mark.real
def test_first_attempts_fail_by_arm_whatever_the_retries_did(shop: RouteIndicators) -> None:
    canary, stable = shop.arms["shop-v2"], shop.arms["shop-v1"]

    assert canary.first_attempts.value == near(8)
    assert canary.first_attempt_errors.value == near(4)
    assert canary.first_attempt_error_ratio == near(0.5)
    assert canary.retries.value == near(2)
    assert stable.first_attempts.value == near(90)
    assert stable.first_attempt_error_ratio == 0
    assert stable.retries.value == 0


@pytest.mark.real
def test_the_promql_of_a_figure_gives_that_figure(metrics: Prometheus, shop: RouteIndicators) -> None:
    (sample,) = metrics.vector(shop.proxy_errors.promql, at=NOW)

    assert sample.value == shop.proxy_errors.value


@pytest.mark.real
def test_what_finding_a_route_takes_is_told(edge: TierIndicators) -> None:
    assert edge.routing_p99.value == near(7.5)  # 98 of 100 take 5 us or less, the other two up to 10


@pytest.mark.real
def test_tls_is_told_with_its_failures_and_resumption(edge: TierIndicators) -> None:
    assert edge.tls_handshakes.value == near(8)
    assert edge.tls_failures.value == near(0.5)
    assert edge.tls_resumption.value == near(0.75)


@pytest.mark.real
def test_a_pool_is_as_full_as_its_limit_makes_it(edge: TierIndicators) -> None:
    assert edge.upstreams["shop-v1"].connections.value == near(0.25)
    assert edge.upstreams["shop-v1"].pending.value is None


@pytest.mark.real
def test_retries_and_the_exhaustion_of_their_budget_are_by_upstream(edge: TierIndicators) -> None:
    assert edge.upstreams["shop-v2"].retries.value == near(2)
    assert edge.upstreams["shop-v2"].retry_budget_exhaustion.value == near(1)


@pytest.mark.real
def test_the_proxies_way_to_sluice_is_no_upstream(edge: TierIndicators) -> None:
    assert list(edge.upstreams) == ["shop-v1", "shop-v2"]


@pytest.mark.real
def test_connections_are_counted_by_proxy_and_in_all(edge: TierIndicators) -> None:
    assert edge.active_connections.value == 15
    assert edge.proxies["edge-1"].active_connections.value == 15


@pytest.mark.real
def test_a_proxy_that_does_not_answer_is_down_and_has_no_age(edge: TierIndicators) -> None:
    assert {name: proxy.up for name, proxy in edge.proxies.items()} == {"edge-1": True, "edge-2": False}
    assert edge.proxies["edge-2"].age is None


@pytest.mark.real
def test_every_figure_is_as_old_as_its_scrape(metrics: Prometheus) -> None:
    later = NOW + timedelta(seconds=10)

    found = selectors.tier_indicators(metrics, tier="edge", at=later, window=WINDOW)

    assert found.age == found.requests.age == timedelta(seconds=10)


@pytest.mark.real
def test_a_tier_that_nobody_scraped_has_no_data_and_no_age(metrics: Prometheus) -> None:
    found = selectors.tier_indicators(metrics, tier="nowhere", at=NOW, window=WINDOW)

    assert (found.requests.value, found.proxy_errors.value, found.age) == (None, None, None)


def test_the_number_of_queries_does_not_grow_with_routes() -> None:
    one, many = of_routes(1), of_routes(1000)

    selectors.route_indicators(one, tier="edge", at=NOW, window=WINDOW)
    found = selectors.route_indicators(many, tier="edge", at=NOW, window=WINDOW)

    assert len(found) == 1000
    assert len(one.asked) == len(many.asked) == 12


def of_routes(count: int) -> InMemoryMetrics:
    metrics = InMemoryMetrics()
    requests = catalogue.requests(tier="edge", window=WINDOW)
    metrics.answer(requests, [({"route": f"route-{i}"}, 1.0) for i in range(count)])
    metrics.otherwise(())
    return metrics


def test_a_prometheus_that_is_away_is_an_error_and_not_an_empty_page() -> None:
    metrics = InMemoryMetrics()
    metrics.fail(MetricsUnavailable("stopped"))

    with pytest.raises(MetricsUnavailable):
        selectors.route_indicators(metrics, tier="edge", at=NOW, window=WINDOW)
