"""What an endpoint was seen to take while its upstream was well, and the queries that it is read by."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from telemetry import loads
from telemetry.domain import capacity
from telemetry.domain.capacity import Point, highest_well
from telemetry.prometheus import Prometheus
from tests.support.prometheus import History, prometheus
from tests.telemetry.test_contract import NOW

V1 = ("edge", "shop-v1")


def over(values: list[float]) -> dict[Point, float]:
    return {(*V1, float(minute)): value for minute, value in enumerate(values)}


def test_the_highest_rate_of_an_endpoint_counts_at_which_all_was_well() -> None:
    load, healthy = over([100, 300, 200]), over([2, 2, 4])
    shown = highest_well(load, {}, {}, healthy)[V1]
    assert (shown.rps, shown.at, shown.by_latency) == (150, 1, False)


def test_a_moment_with_failures_or_slowness_shows_nothing() -> None:
    load, healthy = over([100, 300, 200]), over([2, 2, 2])
    failed, slow = over([0, 3.1, 2]), over([1000, 1000, 1000])
    assert highest_well(load, failed, slow, healthy)[V1].rps == 100
    assert highest_well(load, {}, over([1000, 2001, 1000]), healthy)[V1].rps == 100
    assert highest_well(load, {}, over([1000, 1999, 1000]), healthy)[V1].rps == 150


def test_without_healthy_endpoints_or_traffic_there_is_nothing_to_see() -> None:
    assert highest_well(over([100]), {}, {}, over([0])) == {}
    assert highest_well(over([100]), {}, {}, {}) == {}
    assert highest_well(over([0]), {}, {}, over([2])) == {}


EVERY = 15
MINUTES = 30
ATTEMPT = {"tier": "edge", "route": "shop", "arm": "shop-v1", "attempt": "1", "flags": "-"}
HEALTHY = {"tier": "edge", "envoy_cluster_name": "shop-v1"}


def rate(minute: float) -> float:
    """Requests per second on one proxy."""
    return 60.0 if minute < 10 else 120.0 if minute < 20 else 90.0


def failing(minute: float) -> float:
    return 0.05 if 10 <= minute < 20 else 0.0


def counted(part: Callable[[float], float]) -> list[tuple[datetime, float]]:
    """A counter that grows by `part` of a second at each minute, to the end at NOW."""
    total, points, first = 0.0, [], NOW - timedelta(minutes=MINUTES)
    for step in range(MINUTES * 60 // EVERY + 1):
        minute = step * EVERY / 60
        points.append((first + timedelta(minutes=minute), total))
        total += part(minute) * EVERY
    return points


def histories() -> Iterator[History]:
    for number, endpoints in (("1", 2.0), ("2", 3.0)):
        proxy = {"proxy": f"edge-{number}"}
        good, bad = {**ATTEMPT, **proxy, "code": "200"}, {**ATTEMPT, **proxy, "code": "503"}
        again = {**good, "attempt": "2"}
        yield History(
            "envoy_sluice_attempt", good, counted(lambda minute: rate(minute) * (1 - failing(minute)))
        )
        yield History("envoy_sluice_attempt", bad, counted(lambda minute: rate(minute) * failing(minute)))
        yield History("envoy_sluice_attempt", again, counted(lambda _: 1.0))
        seen = [(at, endpoints) for at, _ in counted(lambda _: 0.0)]
        yield History("envoy_cluster_membership_healthy", {**HEALTHY, **proxy}, seen)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), history=histories()) as running:
        client = Prometheus(running.url, timeout=5.0)
        yield client
        client.close()


@pytest.mark.real
def test_a_real_prometheus_tells_the_present_load_and_who_is_healthy(real: Prometheus) -> None:
    found = loads.present(real, at=NOW)[V1]
    assert found.healthy == 2
    assert found.firsts["shop"] == pytest.approx(180, rel=0.01)
    assert found.attempts["shop"] == pytest.approx(182, rel=0.01)


@pytest.mark.real
def test_a_real_prometheus_shows_the_highest_rate_of_when_all_was_well(real: Prometheus) -> None:
    """Twice 120 a second was more, but 5 % of them failed."""
    assert loads.shown(real, at=NOW)[V1].rps == pytest.approx(182 / 2, rel=0.01)


@pytest.mark.real
def test_a_real_prometheus_takes_every_query(real: Prometheus) -> None:
    for query in (capacity.load(), capacity.failed(), capacity.slowness()):
        assert real.formatted(query)
