"""When a tier was last scraped: by what Prometheus scraped, or else by what was recorded of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slo.domain.alert_rules import SCRAPED
from slo.domain.readings import QUERIES, Readings, read
from telemetry.prometheus import Prometheus
from tests.support.prometheus import History, backfill, prometheus

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=6)
NEWEST, RECORDED = NOW - timedelta(seconds=10), NOW - timedelta(seconds=40)


@pytest.mark.real
def test_the_newest_scrape_counts_and_one_that_failed_does_not(tmp_path: Path) -> None:
    recorded = [
        History(SCRAPED, {"tier": tier}, [(RECORDED, RECORDED.timestamp())])
        for tier in ("up", "down", "gone")
    ]
    ups = [History("up", {"tier": tier}, [(NEWEST, value)]) for tier, value in (("up", 1), ("down", 0))]
    backfill(tmp_path / "data", [*recorded, *ups])

    with prometheus(tmp_path) as running:
        metrics = Prometheus(running.url, 5)
        found: Readings = read(
            events=(), bad=(), coverage=(), scraped=metrics.vector(QUERIES.scraped, at=NOW)
        )
        metrics.close()

    assert found.scraped == {"up": NEWEST, "down": RECORDED, "gone": RECORDED}
