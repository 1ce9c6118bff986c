"""Measurements for pages: a trouble is told and not raised, and nobody waits twice for it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.core.cache import cache

from dashboard import reading
from telemetry.domain.errors import MetricsUnavailable
from telemetry.memory import InMemoryMetrics

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def test_a_prometheus_that_is_away_is_a_reading_without_figures() -> None:
    metrics = InMemoryMetrics()
    metrics.fail(MetricsUnavailable("connection refused"))

    seen = reading.read(metrics=metrics, tier="edge", now=NOW)

    assert (seen.trouble, seen.tier, dict(seen.routes)) == ("connection refused", None, {})
    assert len(metrics.asked) == 1
