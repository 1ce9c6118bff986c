"""When a tier was last scraped: by what Prometheus scraped, or else by what was recorded of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slo.domain.alert_rules import SCRAPED
from slo.domain.readings import QUERIES, Readings, read
from telemetry.prometheus import Prometheus
from tests.support.prometheus import History, backfill, prometheus

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=6)
NEWEST, RECORDED = NOW - timedelta(seconds=10), NOW - timedelta(seconds=40)
OLD = NOW - timedelta(minutes=3)


def scraped(directory: Path, recorded: list[History], ups: dict[str, int]) -> Mapping[str, datetime]:
    seen = [History("up", {"tier": tier}, [(NEWEST, value)]) for tier, value in ups.items()]
    backfill(directory / "data", [*recorded, *seen])
    with prometheus(directory) as running:
        metrics = Prometheus(running.url, 5)
        found: Readings = read(
            events=(), bad=(), coverage=(), scraped=metrics.vector(QUERIES.scraped, at=NOW)
        )
        metrics.close()
    return found.scraped


def recorded(tier: str, at: datetime) -> History:
    return History(SCRAPED, {"tier": tier}, [(at, at.timestamp())])


@pytest.mark.real
def test_the_newest_scrape_counts_and_one_that_failed_does_not(tmp_path: Path) -> None:
    histories = [recorded(tier, RECORDED) for tier in ("up", "down", "gone")]

    found = scraped(tmp_path, histories, {"up": 1, "down": 0})

    assert found == {"up": NEWEST, "down": RECORDED, "gone": RECORDED}


@pytest.mark.real
def test_where_the_rules_stand_still_a_scrape_is_no_data(tmp_path: Path) -> None:
    found = scraped(tmp_path, [recorded("still", OLD)], {"still": 1, "never": 1})

    assert found == {"still": OLD}
