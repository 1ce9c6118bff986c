"""What each figure of an observed fleet is worth, by what its series can tell."""

from datetime import UTC, datetime, timedelta

import pytest

from telemetry.domain import measured, plain
from telemetry.domain.errors import MetricsUnavailable
from telemetry.domain.plain import Watched
from telemetry.memory import InMemoryMetrics
from telemetry.observation import COVERED, observe

AT = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = timedelta(minutes=1)
WATCHED = Watched(matchers=('job="envoy"',), clusters=("xds|cluster.x",))


def metrics() -> InMemoryMetrics:
    """A fleet with nothing to say yet."""
    made = InMemoryMetrics()
    made.otherwise(())
    return made


def covered(share: float, numbered: float | None = 1.0) -> InMemoryMetrics:
    made = metrics()
    made.answer(measured.coverage(WATCHED, WINDOW), [({}, share)])
    if numbered is not None:
        made.answer(measured.numbered(WATCHED, WINDOW), [({}, numbered)])
    return made


def test_without_a_series_nothing_is_known_and_nothing_is_zero() -> None:
    seen = observe(metrics(), watched=WATCHED, at=AT, window=WINDOW)
    assert (seen.instrumented, seen.coverage, seen.age) == (False, None, None)
    assert {judged.figure.value for judged in seen.figures.values()} == {None}
    assert (seen.clusters, seen.routes, seen.proxies) == ({}, {}, {})


def test_every_figure_has_a_worth_and_a_reason() -> None:
    seen = observe(metrics(), watched=WATCHED, at=AT, window=WINDOW)
    assert all(judged.quality.note for judged in seen.figures.values())
    worth = {name: judged.quality.worth for name, judged in seen.figures.items()}
    assert worth["requests"] == worth["failed"] == "exact"
    assert worth["failed_proxy"] == worth["failed_backend"] == worth["first_attempts"] == "approximate"
    assert worth["added_p99"] == worth["reasons"] == worth["tls_handshakes"] == "unavailable"


def test_a_fleet_that_is_instrumented_in_part_stays_an_estimate_and_says_its_share() -> None:
    seen = observe(covered(COVERED - 0.01), watched=WATCHED, at=AT, window=WINDOW)
    assert (seen.instrumented, seen.coverage) == (False, COVERED - 0.01)
    assert seen.figures["failed_backend"].quality.worth == "approximate"


def test_a_fleet_that_is_instrumented_is_measured() -> None:
    seen = observe(covered(1.0), watched=WATCHED, at=AT, window=WINDOW)
    assert seen.instrumented
    assert seen.figures["failed_backend"].quality.worth == "exact"
    assert seen.figures["first_attempts"].quality.worth == "exact"
    assert "added_mean" not in seen.figures


@pytest.mark.parametrize("numbered", [None, 0.0, 0.9])
def test_attempts_without_their_numbers_leave_first_attempts_an_estimate(numbered: float | None) -> None:
    seen = observe(covered(1.0, numbered), watched=WATCHED, at=AT, window=WINDOW)
    assert seen.instrumented
    assert seen.figures["first_attempts"].quality.worth == "approximate"


def test_a_proxy_that_is_down_is_told_from_one_that_is_not_known() -> None:
    made = metrics()
    made.answer(plain.up(WATCHED), [({"instance": "a"}, 1), ({"instance": "b"}, 0)])
    made.answer(plain.age(WATCHED), [({"instance": "a"}, 3)])
    seen = observe(made, watched=WATCHED, at=AT, window=WINDOW)
    assert {name: row.up for name, row in seen.proxies.items()} == {"a": True, "b": False}
    assert seen.age == timedelta(seconds=3)


def test_prometheus_out_of_reach_is_its_own_error() -> None:
    broken = metrics()
    broken.fail(MetricsUnavailable("down"))
    with pytest.raises(MetricsUnavailable):
        observe(broken, watched=WATCHED, at=AT, window=WINDOW)


def test_clusters_and_managers_that_no_client_meets_are_left_out_by_their_very_names() -> None:
    assert 'envoy_cluster_name!~"xds\\\\|cluster\\\\.x"' in plain.answers(WATCHED, WINDOW)
    assert 'envoy_http_conn_manager_prefix!~"admin"' in plain.requests(WATCHED, WINDOW)
