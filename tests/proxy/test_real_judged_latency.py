"""The latency of two arms of a real Envoy, scraped by a real Prometheus, as the judge reads it."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from canary.domain.latency import part
from canary.domain.metrics import DEFAULT, Metric
from canary.domain.odds import Cell
from canary.domain.scrapes import fold
from canary.domain.tally import queries
from telemetry.prometheus import Prometheus
from tests.proxy.factories import weights
from tests.proxy.world import World
from tests.support.processes import wait_until
from tests.support.prometheus import Target, prometheus

pytestmark = pytest.mark.real

METRICS = (*DEFAULT, Metric(name="total_latency"), Metric(name="added_latency"))
REQUESTS = 80


def folded(source: Prometheus) -> dict[str, Cell]:
    """All that the judge would have seen of the two arms, by part, over both proxies."""
    now = timezone.now()
    asked = queries("edge", "shop", metrics=METRICS)
    series = [one for query in asked for one in source.raw(query, window=timedelta(minutes=2), at=now)]
    seen = fold(series, canary="shop-v2", control={"shop-v1"}, after=None, now=now.timestamp())
    found: dict[str, Cell] = {}
    for tick in seen.ticks:
        for name, counts in tick.items():
            before = found.get(name, Cell(0, 0, 0, 0))
            found[name] = Cell(*map(sum, zip(before, (*counts.canary(), *counts.control()), strict=True)))
    return found


def test_both_arms_are_told_at_every_edge_of_envoys_histograms(world: World, tmp_path: Path) -> None:
    _, generation = world.put(weights(5000), "route/shop/weights")
    world.wait_acked(generation)
    world.fault("shop-v2", latency_ms=120)
    labels = {"tier": "edge", "proxy": "edge-1"}
    target = Target(world.admin(), labels, path="/stats/prometheus")
    with prometheus(tmp_path, targets=[target]) as running:
        source = Prometheus(running.url, timeout=5.0)
        wait_until(lambda: folded(source), timeout=15, what="a first tick")
        drawn = world.arms(REQUESTS)
        slowest = part("total_latency", 100_000)
        wait_until(
            lambda: sum(folded(source).get(slowest, ())[::2]) == REQUESTS, timeout=15, what="every request"
        )
        found = folded(source)
    canary, control = drawn["shop-v2"], drawn["shop-v1"]
    assert found[slowest] == Cell(canary, canary, control, 0)
    assert found[part("total_latency", 50)] == Cell(canary, canary, control, control)
    assert found[part("total_latency", 1_000_000)] == Cell(canary, 0, control, 0)
    assert found[part("added_latency", 100_000)] == Cell(canary, 0, control, 0)
    assert found["first_attempt"] == Cell(canary, 0, control, 0)
    assert len([name for name in found if name.startswith("total_latency>")]) == 17
