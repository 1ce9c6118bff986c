"""The memory that requests in flight can hold: the arithmetic, and what `manage.py plan capacity` says."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

import proxy.services
from planning import capacity
from planning.domain.buffers import buffers, ceiling, size
from telemetry.domain import catalogue
from telemetry.domain.errors import MetricsUnavailable
from telemetry.memory import InMemoryMetrics
from tests.proxy.factories import document, tier
from tests.support.people import BY

PROMQL = catalogue.peak_requests(tier="edge", window=timedelta(days=7))


def test_100_000_requests_of_64_kb_are_6_4_gb() -> None:
    """100k in-flight requests x 64 KB buffer = 6.4 GB."""
    assert ceiling(100_000, 64_000) == 6.4e9


def test_what_stands_still_is_held_on_both_sides() -> None:
    """64 KiB each side are 128 KiB; 90 % of 1 GiB hold 7,372 of them."""
    found = buffers(tier(), 1000)
    assert found.per_request == 131_072
    assert found.until_shed == int(0.9 * 2**30 / 131_072) == 7_372
    assert found.at_peak == 131_072_000
    assert found.holds is True


def test_a_peak_above_what_the_heap_takes_does_not_hold() -> None:
    assert buffers(tier(protection={"max_heap": "100MiB"}), 1000).holds is False


def test_without_a_measurement_nothing_is_claimed() -> None:
    found = buffers(tier(), None)
    assert (found.holds, found.at_peak) == (None, None)


def test_a_larger_buffer_is_named_as_what_moves_it_and_a_smaller_one_gains_nothing() -> None:
    """An HTTP/2 stream's window is 64 KiB whatever the buffer."""
    large, small = (buffers(tier(limits={"buffer_bytes": each}), None) for each in (1 << 20, 4096))
    assert (large.per_request, small.per_request) == (2 << 20, 131_072)
    assert next(large.moves()).startswith("limits.buffer_bytes (1048576) down")
    assert next(small.moves()).startswith("protection.max_heap")


def test_sizes_are_told_in_the_units_that_a_tier_declares() -> None:
    assert [size(n) for n in (10, 2048, 131_072, 1 << 30, 6.4e9)] == [
        "10 bytes",
        "2 KiB",
        "128 KiB",
        "1 GiB",
        "5.96 GiB",
    ]


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> InMemoryMetrics:
    found = InMemoryMetrics()
    found.otherwise(())
    monkeypatch.setattr("telemetry.ports.from_settings", lambda **_: found)
    return found


@pytest.fixture
def edge(db: None) -> None:
    proxy.services.apply(document=document(objectives=[]), by=BY, reason="", now=timezone.now())


def plan(*options: str) -> str:
    out = io.StringIO()
    call_command("plan", "capacity", *options, stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("edge")
def test_the_command_tells_the_peak_and_what_it_holds(metrics: InMemoryMetrics) -> None:
    metrics.answer(PROMQL, [({}, 312.0)])
    said = plan("edge").splitlines()
    assert said[0] == "tier edge, each proxy"
    assert [" ".join(line.split()) for line in said[1:4]] == [
        "one request 1 128 KiB 64 KiB each side",
        "the peak of seven days 312 39 MiB",
        "until requests are shed, at most 7,372 922 MiB 90% of protection.max_heap 1 GiB: then new ones get 503",
    ]
    assert said[-1].startswith("  moves it: ")


@pytest.mark.usefixtures("edge")
@pytest.mark.parametrize("down", [True, False])
def test_no_data_is_unknown_and_says_why(metrics: InMemoryMetrics, down: bool) -> None:
    if down:
        metrics.fail(MetricsUnavailable("connection refused"))
    (found,) = json.loads(plan("--json"))
    assert (found["peak_requests"], found["bytes_at_peak"], found["holds"]) == (None, None, None)
    assert found["why_unknown"] == (
        "Prometheus gave no answer (connection refused)" if down else "no proxy was scraped"
    )
    assert "unknown" in plan()


@pytest.mark.usefixtures("db", "metrics")
def test_an_unknown_tier_is_named() -> None:
    with pytest.raises(CommandError, match="nowhere"):
        plan("nowhere")


@pytest.mark.usefixtures("edge")
def test_a_tier_costs_one_query(metrics: InMemoryMetrics) -> None:
    (found,) = capacity.capacities(metrics, now=timezone.now())
    assert found.promql == PROMQL
    assert metrics.asked == [PROMQL]
