"""What a tick over many open runs costs: everything that Sluice does of it, on SQLite.

What was measured comes from a stand-in in the same process, which answers at once: Prometheus' own work is in
no figure. Half of the runs hold what they did, and half wait for a person. All runbooks of Sluice's look.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

import proxy.selectors
import proxy.services
import runbooks.selectors
import runbooks.services
from bench.control import BY, TIER, plane
from bench.costs import Costs
from bench.figures import Figure, Target, figure
from bench.sizes import Size
from proxy.memory import InMemoryAdmin
from telemetry.domain import catalogue
from telemetry.memory import Answer, InMemoryMetrics

BENCH = "runs"
SLUG = "retry-storm"
TICK_SECONDS = Target("under", 1)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(seconds=3)
# Nothing ends while it is measured, and so many may act at once as there are.
POLICY = {
    "hold_for": "4h",
    "approval_for": "4h",
    "routes_touched": 1.0,
    "actions": 10_000,
    "actions_in_all": 10_000,
}
MOST_ROUNDS = 60
# Per second: first attempts, retries, of them failing, failed first attempts.
STORM = (100.0, 80.0, 60.0, 50.0)
QUERIES = (
    catalogue.first_attempts,
    catalogue.retries,
    catalogue.failed_retries,
    catalogue.first_attempt_errors,
)


def run(size: Size, folder: Path) -> list[Figure]:
    """The same at a tenth as many runs: what a query for each of them costs shows."""
    found = {number: _measured(number, size, folder / f"{number}") for number in size.runs}
    few, many = size.runs
    made = [
        figure(BENCH, f"tick, {number} open runs", "s", costs.seconds, TICK_SECONDS)
        for number, costs in found.items()
    ]
    made += [
        figure(BENCH, f"tick, {number} open runs: processor time", "s", costs.processor)
        for number, costs in found.items()
    ]
    each = (found[many].sql - found[few].sql) / (many - few)
    made.append(figure(BENCH, "tick: SQL statements for each run", "", [each]))
    as_few = Target("at most", found[few].promql)
    made.append(figure(BENCH, f"tick, {many} open runs: PromQL queries", "", [found[many].promql], as_few))
    return made


def _measured(number: int, size: Size, folder: Path) -> Costs:
    with plane(folder) as control, control.database():
        control.declare(_tier(number))
        world = _World(number)
        world.begin()
        return world.ticks(size.repeats)


class _World:
    """Storms on every route of the tier; proxies that obey at once."""

    def __init__(self, number: int) -> None:
        self.routes = [f"r{one:03}" for one in range(number)]
        self.metrics, self.admin, self.now = InMemoryMetrics(), InMemoryAdmin(), BEGAN
        self.storms: set[str] = set()
        self.off: set[str] = set()
        self.factor = 1.0

    def begin(self) -> None:
        """The first half acts by itself, the second asks."""
        base = proxy.selectors.base(TIER)
        window = runbooks.selectors.policy(runbook=SLUG, tier=base).lookback
        for part, query in enumerate(QUERIES):
            self.metrics.answer(query(tier=TIER, window=window), self._answer(part))
        self.metrics.answer(catalogue.scrape_age(tier=TIER), [({"proxy": "proxy-0"}, 1.0)])
        self.metrics.otherwise(())
        about: dict[str, Any] = {"runbook": SLUG, "tier": TIER, "by": BY, "reason": "bench"}
        runbooks.services.set_policy(**about, policy=POLICY, now=self.now)
        half = len(self.routes) // 2
        for mode, routes, state in (
            ("auto", self.routes[:half], "HOLDING"),
            ("approve", self.routes[half:], ""),
        ):
            runbooks.services.set_mode(**about, mode=mode, now=self.now)
            self.storms |= set(routes)
            self._until(state or "AWAITING_APPROVAL", len(routes))

    def _until(self, state: str, number: int) -> None:
        for _ in range(MOST_ROUNDS):
            self._tick()
            live = proxy.selectors.live_overlays(TIER, now=self.now)
            self.off = {overlay.patch["route"] for overlay in live}
            generation = proxy.selectors.generation(TIER)
            proxy.services.record_ack(tier=TIER, proxies=["proxy-0"], generation=generation, now=self.now)
            found = runbooks.selectors.runs(open_only=True, limit=len(self.routes))
            if sum(row.state == state for row in found) >= number:
                return
        raise RuntimeError(f"never {number} runs {state}: {[(row.state, row.why) for row in found[:3]]}")

    def ticks(self, repeats: int) -> Costs:
        costs = Costs()
        self.metrics.asked.clear()
        with CaptureQueriesContext(connection) as queries:
            self._tick()
        costs.sql, costs.promql = len(queries), len(self.metrics.asked)
        for _ in range(repeats):
            seconds, processor = self._tick()
            costs.seconds.append(seconds)
            costs.processor.append(processor)
        found = runbooks.selectors.runs(open_only=True, limit=2 * len(self.routes))
        if len(found) != len(self.routes):
            raise RuntimeError(f"{len(found)} of {len(self.routes)} runs are open")
        return costs

    def _tick(self) -> tuple[float, float]:
        """What the tick took, by the clock and of the processor. Figures differ each time: they are told."""
        self.now += EVERY
        self.factor = 1.5 - self.factor if self.factor != 1.0 else 0.7
        began, worked = time.perf_counter(), time.process_time()
        runbooks.services.tick(metrics=self.metrics, admin=self.admin, now=self.now)
        return time.perf_counter() - began, time.process_time() - worked

    def _answer(self, part: int) -> Any:
        def rows() -> Iterator[tuple[Mapping[str, str], float]]:
            for route in self.routes:
                retry = part in (1, 2)
                none = (route not in self.storms and part) or (retry and route in self.off)
                yield {"route": route, "arm": "v1"}, 0.0 if none else STORM[part] * self.factor

        def answer(at: datetime) -> Answer:
            return list(rows())

        return answer


def _tier(number: int) -> dict[str, Any]:
    return {
        "name": TIER,
        "proxies": [{"name": "proxy-0", "http_port": 20080, "https_port": 20443, "admin_port": 29001}],
        "upstreams": [{"name": "v1", "endpoints": [{"port": 21001}]}],
        "routes": [
            {"name": f"r{one:03}", "hosts": [f"r{one:03}.test"], "upstream": "v1"} for one in range(number)
        ],
    }
