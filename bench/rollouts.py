"""What a tick over many live rollouts costs: everything that Sluice does of it, on SQLite.

What the proxies counted comes from a stand-in in the same process, which answers at once: Prometheus' own
work is not in the figure. Each scrape counts more, so that every rollout is judged and written at every tick.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

import canary.services
import proxy.selectors
import proxy.services
from bench.control import BY, TIER, plane
from bench.costs import Costs
from bench.figures import Figure, Target, figure
from bench.sizes import Size
from proxy.memory import InMemoryAdmin
from telemetry.domain.series import Series
from telemetry.memory import InMemoryMetrics

BENCH = "judge"
TICK_SECONDS = Target("under", 1)
PROXIES = 2
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
# Nothing is decided while it is measured: undecided rollouts are the dear ones.
PLAN = {"steps": [100], "warm_up": 0, "negligible": None, "longest_stay": 86_400}
SECOND = timedelta(seconds=1)


def run(size: Size, folder: Path) -> list[Figure]:
    """The same at a tenth as many rollouts: what a query for each of them costs shows."""
    found = {number: _measured(number, size, folder / f"{number}") for number in size.rollouts}
    few, many = size.rollouts
    made = [
        figure(BENCH, f"tick, {number} live rollouts", "s", costs.seconds, TICK_SECONDS)
        for number, costs in found.items()
    ]
    name = f"tick, {many} live rollouts: processor time"
    made.append(figure(BENCH, name, "s", found[many].processor))
    each = (found[many].sql - found[few].sql) / (many - few)
    made.append(figure(BENCH, "tick: SQL statements for each rollout", "", [each]))
    as_few = Target("at most", found[few].promql)
    made.append(
        figure(BENCH, f"tick, {many} live rollouts: PromQL queries", "", [found[many].promql], as_few)
    )
    return made


def _measured(number: int, size: Size, folder: Path) -> Costs:
    with plane(folder) as control, control.database():
        control.declare(_tier(number))
        world = _World(number)
        world.begin()
        return world.ticks(size.repeats)


class _Answering(InMemoryMetrics):
    """Answers raw selectors with prepared series, by the counter that they name, and counts the questions."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Series] = []

    def raw(self, selector: str, *, window: timedelta, at: datetime) -> tuple[Series, ...]:
        self.asked.append(selector)
        name = selector.partition("{")[0]
        return tuple(one for one in self.held if one.labels["__name__"] == name)


class _World:
    """Rollouts on every route of the tier, whose proxies obey at once."""

    def __init__(self, number: int) -> None:
        self.routes = [f"r{one:03}" for one in range(number)]
        self.proxies = [f"proxy-{one}" for one in range(PROXIES)]
        self.metrics, self.admin, self.now = _Answering(), InMemoryAdmin(), BEGAN
        self._scrapes: list[float] = []

    def begin(self) -> None:
        for route in self.routes:
            canary.services.start(route=route, upstream="v2", plan=PLAN, mode="auto", by=BY, now=self.now)
        served = proxy.selectors.served(TIER, now=self.now)
        splits = {route.name: dict(route.split) for route in served.live.routes}
        for row in proxy.selectors.tier(TIER).proxies:
            self.admin.runs(row.admin_address, splits)
        proxy.services.record_ack(tier=TIER, proxies=self.proxies, generation=served.generation, now=self.now)
        for _ in range(5):
            self._second()

    def ticks(self, repeats: int) -> Costs:
        costs = Costs()
        self.metrics.asked.clear()
        with CaptureQueriesContext(connection) as queries:
            self._second()
        costs.sql, costs.promql = len(queries), len(self.metrics.asked)
        for _ in range(repeats):
            seconds, processor = self._second()
            costs.seconds.append(seconds)
            costs.processor.append(processor)
        return costs

    def _second(self) -> tuple[float, float]:
        """A scrape and a tick; what the tick took, by the clock and of the processor."""
        self.now += SECOND
        self._scrapes = [*self._scrapes[-40:], self.now.timestamp()]
        self.metrics.held = list(self._series())
        began, worked = time.perf_counter(), time.process_time()
        looked = canary.services.tick(metrics=self.metrics, admin=self.admin, now=self.now + 0.9 * SECOND)
        took = time.perf_counter() - began, time.process_time() - worked
        if looked != len(self.routes):
            raise RuntimeError(f"{looked} of {len(self.routes)} rollouts were looked at")
        return took

    def _series(self) -> Sequence[Series]:
        found = [self._one("up", 0, proxy=name) for name in self.proxies]
        for name in self.proxies:
            for route in self.routes:
                for arm, each in (("v1", 990), ("v2", 10)):
                    where = {"proxy": name, "route": route, "arm": arm, "flags": "-", "reason": "backend"}
                    for counter, more in (("attempt", {"attempt": "1"}), ("rq", {})):
                        series = f"envoy_sluice_{counter}"
                        found.append(self._one(series, each, code="200", **where, **more))
                        found.append(self._one(series, each / 500, code="503", **where, **more))
        return found

    def _one(self, name: str, each: float, **labels: str) -> Series:
        """A counter that grows by `each` a second; the state `up` where it does not."""
        start = BEGAN.timestamp()
        points = tuple((at, float(round(each * (at - start))) if each else 1.0) for at in self._scrapes)
        return Series(labels={"__name__": name, "tier": TIER, **labels}, points=points)


def _tier(number: int) -> dict[str, Any]:
    """A tier of so many routes with two arms. Nothing listens on its ports."""
    return {
        "name": TIER,
        "proxies": [
            {
                "name": f"proxy-{one}",
                "http_port": 10 * one + 1,
                "https_port": 10 * one + 2,
                "admin_port": 10 * one + 3,
            }
            for one in range(PROXIES)
        ],
        "upstreams": [{"name": name, "endpoints": [{"port": 4}]} for name in ("v1", "v2")],
        "routes": [
            {"name": f"r{one:03}", "hosts": [f"r{one}.test"], "split": {"v1": 10_000, "v2": 0}}
            for one in range(number)
        ],
    }
