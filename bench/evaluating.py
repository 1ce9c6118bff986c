"""What a tick of the objectives and the pages of them cost at ten, a hundred and a thousand routes."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import access.services
import slo.services
from access.domain.roles import Role
from bench import histories
from bench.control import BY, TIER, plane
from bench.costs import Costs
from bench.figures import Figure, Target, figure
from bench.sizes import Size
from proxy.domain.tier import Tier
from slo.domain.indicators import indicator, place, sli
from slo.domain.objectives import Objective, of_tier
from slo.selectors import objectives
from telemetry.domain.series import Sample
from telemetry.prometheus import Prometheus
from tests.support.answering import answering
from tests.support.prometheus import prometheus

BENCH = "objectives"
TICK_SECONDS = Target("under", 1)
# Ten times as many objectives; the rest is what a tick costs with none.
GROWS = Target("at most", 12)
PAGE_MS = Target("under", 150)
TIMEOUT = 20.0
EVERY = 15
PAGES: dict[str, Callable[[], str]] = {
    "overview": lambda: "/",
    "objectives": lambda: "/objectives/",
    "an objective": lambda: f"/objectives/{objectives()[-1].id}/",
}


@dataclass(slots=True)
class Measured:
    """At one number of routes."""

    tick: Costs = field(default_factory=Costs)
    pages: dict[str, Costs] = field(default_factory=dict)


def run(size: Size, folder: Path) -> list[Figure]:
    """The same of each number of routes, one after the other."""
    found = {routes: _measured(size, routes, folder / f"{routes}") for routes in size.objectives}
    *_, some, many = size.objectives
    made = [
        figure(
            BENCH,
            f"tick, {routes:,} routes",
            "s",
            each.tick.seconds,
            TICK_SECONDS if routes == many else None,
        )
        for routes, each in found.items()
    ]
    grows = statistics.median(found[many].tick.seconds) / statistics.median(found[some].tick.seconds)
    made.append(figure(BENCH, f"tick, {many:,} routes / {some:,} routes", "", [grows], GROWS))
    made += _queries("tick", many, [each.tick for each in found.values()])
    for name in PAGES:
        costs = [each.pages[name] for each in found.values()]
        milliseconds = [seconds * 1000 for seconds in costs[-1].seconds]
        made.append(figure(BENCH, f"{name}, {many:,} routes", "ms", milliseconds, PAGE_MS))
        made += _queries(name, many, costs)
    return made


def _queries(of: str, routes: int, costs: list[Costs]) -> Iterator[Figure]:
    """How many the most routes need, which is to be no more than the fewest do."""
    for kind, numbers in (("SQL", [one.sql for one in costs]), ("PromQL", [one.promql for one in costs])):
        as_few = Target("at most", numbers[0])
        yield figure(BENCH, f"{of}, {routes:,} routes: {kind} queries", "", [numbers[-1]], as_few)


def _measured(size: Size, routes: int, folder: Path) -> Measured:
    declared = _tier(routes)
    found = Measured()
    with plane(folder / "plane") as control, control.database():
        control.declare(declared)
        found.tick = _ticks(size, of_tier(Tier.model_validate(declared)), folder / "prometheus")
        with answering(routes=routes) as server, override_settings(PROMETHEUS_URL=server.url):
            reader = _reader()
            found.pages = {
                name: _page(size, reader, address(), server.asked) for name, address in PAGES.items()
            }
    return found


class _Counting(Prometheus):
    """A real one, and how often it was asked."""

    asked = 0

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        self.asked += 1
        return super().vector(promql, at=at)


def _ticks(size: Size, declared: Sequence[Objective], folder: Path) -> Costs:
    """Each finds other figures than the one before, as where there is traffic: every budget is written."""
    folder.mkdir()
    times = [int(time.time()) - EVERY * number for number in range(size.repeats + 2, 0, -1)]
    histories.backfill(folder, (line for at in times for line in _recorded(declared, at)))
    costs = Costs()
    with prometheus(folder) as running:
        metrics = _Counting(running.url, TIMEOUT)
        first, counted, *rest = [datetime.fromtimestamp(at, UTC) for at in times]
        slo.services.tick(metrics=metrics, now=first)
        metrics.asked = 0
        with CaptureQueriesContext(connection) as asked:
            slo.services.tick(metrics=metrics, now=counted)
        costs.sql, costs.promql = len(asked), metrics.asked
        for now in rest:
            began = time.perf_counter()
            slo.services.tick(metrics=metrics, now=now)
            costs.seconds.append(time.perf_counter() - began)
    return costs


def _recorded(declared: Sequence[Objective], at: int) -> Iterator[str]:
    """What the rules recorded by then: traffic that fails one request in ten thousand."""
    yield f'sluice:scrape:timestamp{{tier="{TIER}"}} {at} {at}'
    for window in histories.WINDOWS:
        yield f'sluice:coverage:ratio{{tier="{TIER}",window="{window}"}} 1 {at}'
        for one in declared:
            where = (
                f'sli="{sli(one)}",place="{place(one)}",tier="{TIER}",route="{one.route}",'
                f'upstream="{one.upstream}",window="{window}"'
            )
            yield f"sluice:sli_events:count{{{where}}} {1_000_000 + at % 1000} {at}"
            for made in indicator(one).bad:
                yield f'sluice:sli_bad:count{{{where},originator="{made}"}} {50 + at % 10} {at}'


def _reader() -> Client:
    person = User.objects.create_user("bench")
    access.services.grant(user=person, role=Role.VIEWER, by=BY, reason="bench", now=timezone.now())
    client = Client(SERVER_NAME="localhost")
    client.force_login(person)
    return client


def _page(size: Size, reader: Client, address: str, asked: list[str]) -> Costs:
    """The page as its first reader gets it: nothing of Prometheus' answers is remembered."""
    costs = Costs()
    for number in range(size.repeats + 1):
        cache.clear()
        asked.clear()
        if not number:
            with CaptureQueriesContext(connection) as queries:
                _get(reader, address)
            costs.sql, costs.promql = len(queries), len(asked)
            continue
        began = time.perf_counter()
        _get(reader, address)
        costs.seconds.append(time.perf_counter() - began)
    return costs


def _get(reader: Client, address: str) -> None:
    answer = reader.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answers {answer.status_code}")


def _tier(routes: int) -> dict[str, Any]:
    """A tier whose routes have an objective each, by default. Nothing listens on its ports."""
    return {
        "name": TIER,
        "proxies": [{"name": "proxy-1", "http_port": 1, "https_port": 2, "admin_port": 3}],
        "upstreams": [{"name": "shop", "endpoints": [{"port": 4}]}],
        "routes": [
            {"name": f"r{number:04}", "hosts": [f"r{number}.test"], "upstream": "shop"}
            for number in range(routes)
        ],
    }
