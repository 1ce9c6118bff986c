"""One suite for every answer to the metrics port: a real Prometheus and the one in memory."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from telemetry.domain.errors import BadQuery, ExecutionFailed, MetricsUnavailable
from telemetry.domain.loaded import LoadedRule
from telemetry.domain.promql import matching, not_matching, selector, unequal
from telemetry.memory import InMemoryMetrics
from telemetry.ports import Metrics
from telemetry.prometheus import Prometheus
from tests.support.processes import free_port
from tests.support.prometheus import History, prometheus

# In the past, so that both hold the same history, and on a quarter of a second, so that rounding shows.
NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=250_000) - timedelta(hours=6)
RULES = """\
groups:
- name: sluice-events
  interval: 15s
  rules:
  - record: sluice:one
    expr: sum(requests)by(route)
    labels: {window: 5m}
  - alert: SluiceOne
    expr: sluice:one > 1e9
    labels: {severity: page}
"""
AWKWARD = 'a "quoted" \\ back\nslash}'


def seconds(*values: float, every: float = 1.0) -> list[tuple[datetime, float]]:
    """Samples that end at NOW."""
    first = NOW - timedelta(seconds=every * (len(values) - 1))
    return [(first + timedelta(seconds=every * i), value) for i, value in enumerate(values)]


HISTORY = (
    History("requests", {"route": "shop", "proxy": "edge-1"}, seconds(1, 2, 3, 5, 8)),
    History("requests", {"route": "shop", "proxy": "edge-2"}, seconds(10, 20, 30)),
    History("requests", {"route": "payments", "proxy": "edge-1"}, seconds(7)),
    History("requests", {"route": AWKWARD, "proxy": "edge-1"}, seconds(99)),
    History("odd", {"kind": "nan"}, seconds(math.nan)),
    History("odd", {"kind": "inf"}, seconds(math.inf)),
    History("odd", {"kind": "-inf"}, seconds(-math.inf)),
    History("old", {}, [(NOW - timedelta(minutes=5, seconds=1), 1.0)]),
    History("recent", {}, [(NOW - timedelta(minutes=4, seconds=59), 1.0)]),
)
COMPOSITE = "sum by (proxy) (requests)"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), history=HISTORY, rules=RULES) as running:
        client = Prometheus(running.url, timeout=5.0)
        yield client
        client.close()


@pytest.fixture(scope="module")
def memory() -> InMemoryMetrics:
    metrics, every = InMemoryMetrics(), timedelta(seconds=15)
    for series in HISTORY:
        metrics.add(series.metric, series.labels, series.points)
    metrics.loaded = (
        LoadedRule(
            "sluice-events", every, "recording", "sluice:one", "sum by (route) (requests)", {"window": "5m"}
        ),
        LoadedRule(
            "sluice-events", every, "alerting", "SluiceOne", "sluice:one > 1e+09", {"severity": "page"}
        ),
    )
    metrics.answer(COMPOSITE, [({"proxy": "edge-1"}, 114.0), ({"proxy": "edge-2"}, 30.0)])
    return metrics


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.real), "memory"])
def metrics(request: pytest.FixtureRequest) -> Metrics:
    answer: Metrics = request.getfixturevalue(request.param)
    return answer


def values(metrics: Metrics, query: str, *, at: datetime = NOW) -> list[float]:
    return sorted(sample.value for sample in metrics.vector(query, at=at))


def test_a_selector_answers_the_newest_sample_of_each_series(metrics: Metrics) -> None:
    found = metrics.vector(selector("requests", route="shop"), at=NOW)

    assert {s.labels["proxy"]: s.value for s in found} == {"edge-1": 8.0, "edge-2": 30.0}
    assert {s.at for s in found} == {NOW}
    assert {s.labels["__name__"] for s in found} == {"requests"}


def test_a_selector_answers_as_of_the_time_asked(metrics: Metrics) -> None:
    assert values(metrics, 'requests{proxy="edge-1",route="shop"}', at=NOW - timedelta(seconds=2)) == [3.0]


def test_a_time_between_two_samples_sees_the_earlier_one(metrics: Metrics) -> None:
    just_before = NOW - timedelta(milliseconds=1)

    assert values(metrics, 'requests{proxy="edge-2"}', at=just_before) == [20.0]


def test_what_does_not_exist_is_an_empty_answer(metrics: Metrics) -> None:
    assert metrics.vector("nothing_of_that_name", at=NOW) == ()
    assert metrics.raw("nothing_of_that_name", window=timedelta(minutes=1), at=NOW) == ()


def test_a_selector_looks_back_five_minutes(metrics: Metrics) -> None:
    assert values(metrics, "old") == []
    assert values(metrics, "recent") == [1.0]


def test_a_quote_a_backslash_and_a_newline_stay_inside_the_label(metrics: Metrics) -> None:
    assert values(metrics, selector("requests", route=AWKWARD)) == [99.0]


def test_a_name_cannot_break_out_of_its_selector(metrics: Metrics) -> None:
    assert values(metrics, selector("requests", route='shop"} or requests{route="payments')) == []


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        (unequal("route", "shop"), [7.0, 99.0]),
        (matching("route", "sh.*|pay"), [8.0, 30.0]),
        (not_matching("route", "shop|payments"), [99.0]),
        (unequal("absent", ""), []),
        (matching("absent", ".*"), [7.0, 8.0, 30.0, 99.0]),
    ],
)
def test_matchers_compare_whole_values(metrics: Metrics, matcher: str, expected: list[float]) -> None:
    assert values(metrics, selector("requests", matcher)) == expected


def test_nan_and_the_infinities_are_numbers(metrics: Metrics) -> None:
    found = {s.labels["kind"]: s.value for s in metrics.vector("odd", at=NOW)}

    assert math.isnan(found["nan"])
    assert found["inf"] == math.inf
    assert found["-inf"] == -math.inf


def test_raw_gives_the_samples_as_scraped(metrics: Metrics) -> None:
    (series,) = metrics.raw(
        selector("requests", route="shop", proxy="edge-1"), window=timedelta(minutes=1), at=NOW
    )

    end = NOW.timestamp()
    assert series.points == ((end - 4, 1.0), (end - 3, 2.0), (end - 2, 3.0), (end - 1, 5.0), (end, 8.0))
    assert series.labels == {"__name__": "requests", "route": "shop", "proxy": "edge-1"}


def test_raw_leaves_out_the_sample_at_the_start_of_its_window(metrics: Metrics) -> None:
    (series,) = metrics.raw('requests{proxy="edge-2"}', window=timedelta(seconds=2), at=NOW)

    assert [value for _, value in series.points] == [20.0, 30.0]


def test_a_matrix_has_a_point_at_each_step_up_to_its_end(metrics: Metrics) -> None:
    (series,) = metrics.matrix(
        'requests{route="shop",proxy="edge-2"}',
        start=NOW - timedelta(seconds=3),
        end=NOW,
        step=timedelta(seconds=1),
    )

    end = NOW.timestamp()
    assert series.points == ((end - 2, 10.0), (end - 1, 20.0), (end, 30.0))


def test_other_promql_is_answered(metrics: Metrics) -> None:
    found = {s.labels["proxy"]: s.value for s in metrics.vector(COMPOSITE, at=NOW)}

    assert found == {"edge-1": 114.0, "edge-2": 30.0}


@pytest.mark.parametrize("query", ["sum(requests", 'requests{route="shop"', "requests{route=shop}"])
def test_what_cannot_be_parsed_is_a_bad_query(metrics: Metrics, query: str) -> None:
    with pytest.raises(BadQuery):
        metrics.vector(query, at=NOW)


@pytest.mark.real
def test_a_scalar_is_one_sample_without_labels(real: Prometheus) -> None:
    (sample,) = real.vector("scalar(vector(2)) * 3", at=NOW)

    assert (dict(sample.labels), sample.value, sample.at) == ({}, 6.0, NOW)


@pytest.mark.real
@pytest.mark.parametrize("query", ["requests[5m]", '"words"'])
def test_an_answer_of_another_shape_is_a_bad_query(real: Prometheus, query: str) -> None:
    with pytest.raises(BadQuery):
        real.vector(query, at=NOW)


def test_it_says_which_rules_it_runs_in_their_order(metrics: Metrics) -> None:
    one, alert = metrics.rules()

    assert (one.group, one.every, one.kind) == ("sluice-events", timedelta(seconds=15), "recording")
    assert (one.name, dict(one.labels), one.error) == ("sluice:one", {"window": "5m"}, "")
    assert one.query == "sum by (route) (requests)"
    assert (alert.name, alert.kind, dict(alert.labels)) == ("SluiceOne", "alerting", {"severity": "page"})


def test_what_is_written_otherwise_has_one_form(metrics: Metrics) -> None:
    assert metrics.formatted("sum by (route)  (requests)") == metrics.formatted("sum by (route) (requests)")
    assert metrics.formatted("sum by (route) (requests)") != metrics.formatted("sum by (proxy) (requests)")
    with pytest.raises(BadQuery):
        metrics.formatted("sum(requests")


@pytest.mark.real
def test_prometheus_knows_the_form_of_what_means_the_same(real: Prometheus) -> None:
    assert real.formatted("sum(requests)by(route) > 1e6") == real.formatted(
        "sum by (route) (requests) > 1000000"
    )


@pytest.mark.real
def test_it_says_how_long_samples_are_kept(metrics: Metrics) -> None:
    assert metrics.retention() == timedelta(days=40)


def test_a_query_costs_the_samples_that_it_reads(metrics: Metrics) -> None:
    assert metrics.cost('requests{route="shop"}', at=NOW).samples == 2


def test_a_range_costs_each_sample_in_it(real: Prometheus) -> None:
    cost = real.cost('sum(sum_over_time(requests{route="shop",proxy="edge-1"}[1m]))', at=NOW)

    assert cost.samples == 5
    assert cost.seconds > 0


def test_what_cannot_be_parsed_costs_nothing_and_says_so(metrics: Metrics) -> None:
    with pytest.raises(BadQuery):
        metrics.cost("requests{", at=NOW)


def test_a_many_to_many_match_is_a_failed_execution_with_its_reason(real: Prometheus) -> None:
    with pytest.raises(ExecutionFailed, match="many-to-many"):
        real.vector("requests * on (proxy) requests", at=NOW)


def test_a_prometheus_that_nobody_runs_is_unavailable() -> None:
    nobody = Prometheus(f"http://127.0.0.1:{free_port()}", timeout=1.0)

    with pytest.raises(MetricsUnavailable):
        nobody.vector("up", at=NOW)


def test_the_one_in_memory_can_be_unavailable_too() -> None:
    metrics = InMemoryMetrics()
    metrics.fail(MetricsUnavailable("stopped"))

    with pytest.raises(MetricsUnavailable):
        metrics.raw("up", window=timedelta(minutes=1), at=NOW)
