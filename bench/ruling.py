"""What rules cost Prometheus: Sluice's for a thousand route objectives, and a rule set for each of them.

Rules that read what is scraped now run, on all routes. Rules whose windows reach back need a history, so each
one's expression is evaluated at the end of a history of a few routes, which is then taken times as many
routes as there are: the rule sets of Sloth do not share anything, and those of Sluice read as many series.
"""

import contextlib
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
import yaml

from bench import histories, sloth
from bench.control import ROOT
from bench.figures import Figure, Target, figure
from bench.parts import cpu_seconds
from bench.sizes import Size
from slo.domain import rules
from slo.domain.alert_rules import ALLOWED
from slo.domain.objectives import Objective
from telemetry.domain.promql import span
from tests.support.processes import free_port, listening, started
from tests.support.prometheus import Running, prometheus
from tests.support.prometheus import Target as Scraped

BENCH = "objectives"
TIMES_LESS = Target("at least", 100)
TIMEOUT = 60
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule's expression, how often it is evaluated, and whether it finds something where all is well."""

    promql: str
    every: timedelta
    finds: bool


def run(size: Size, folder: Path) -> list[Figure]:
    """Processor time per second of each part, and how many times less Sluice's is than Sloth's."""
    document = _file(size.objectives[-1])
    now = _live(size, folder / "live", document)
    past = _past(size, folder / "past", document)
    ours = [live + windows for live, windows in zip(now.rules, past.sluice, strict=True)]
    ratios = [theirs / max(mine, _LEAST) for theirs, mine in zip(past.sloth, ours, strict=True)]
    name = f"rules of {size.objectives[-1]:,} objectives"
    return [
        figure(BENCH, f"{name}: Sluice", "cores", ours),
        figure(BENCH, f"{name}: Sluice, what is scraped", "cores", now.rules),
        figure(BENCH, f"{name}: Sluice, windows and alerts", "cores", past.sluice),
        figure(BENCH, f"{name}: Sloth's shape", "cores", past.sloth),
        figure(BENCH, f"{name}: Sloth's shape / Sluice", "", ratios, TIMES_LESS),
        figure(BENCH, "scraping without rules", "cores", now.alone),
    ]


def _file(routes: int) -> dict[str, Any]:
    declared = (
        Objective("edge", f"r{number}", "route_availability", Decimal("0.999"), route=f"r{number}")
        for number in range(routes)
    )
    document: dict[str, Any] = yaml.safe_load(rules.render(declared))
    return document


def _windowed(rule: dict[str, Any]) -> bool:
    """Whether it reads what was recorded, and not what is scraped."""
    name = str(rule.get("record", ""))
    return not (name.endswith(("rate1m", ":timestamp")) or name == ALLOWED)


@dataclass(slots=True)
class Live:
    """Cores of a Prometheus that only scrapes, and what the rules add, by round."""

    alone: list[float] = field(default_factory=list)
    rules: list[float] = field(default_factory=list)


def _live(size: Size, folder: Path, document: dict[str, Any]) -> Live:
    """Two of Prometheus scrape the same; one has the rules that read what is scraped."""
    groups = [
        {**group, "rules": [rule for rule in group["rules"] if not _windowed(rule)]}
        for group in document["groups"]
    ]
    text = yaml.safe_dump({"groups": [group for group in groups if group["rules"]]})
    found = Live()
    with contextlib.ExitStack() as stack:
        targets = stack.enter_context(_exporter(size, folder))
        alone, ruled = (
            stack.enter_context(prometheus(folder / name, targets=targets, scrape_interval="15s", rules=text))
            for name, text in (("alone", ""), ("ruled", text))
        )
        time.sleep(size.settles)
        for _ in range(size.ruled):
            without, with_rules = _cores(size.ruled_seconds, alone, ruled)
            found.alone.append(without)
            found.rules.append(max(0.0, with_rules - without))
    return found


@contextlib.contextmanager
def _exporter(size: Size, folder: Path) -> Iterator[list[Scraped]]:
    folder.mkdir(parents=True)
    port, routes = free_port(), size.objectives[-1]
    argv = [sys.executable, "-m", "bench.exporter", str(port), str(routes)]
    with started(argv, log=folder / "exporter.log", ready=lambda: listening(port), cwd=ROOT):
        yield [
            Scraped(f"127.0.0.1:{port}", {"tier": "edge", "proxy": f"p{number}"}, f"/m/{number}")
            for number in range(size.scraped)
        ]


def _cores(seconds: float, *running: Running) -> list[float]:
    """Of each, over the same stretch of time."""
    began, before = time.monotonic(), [cpu_seconds(each.pid) for each in running]
    time.sleep(seconds)
    took = time.monotonic() - began
    return [(cpu_seconds(each.pid) - spent) / took for each, spent in zip(running, before, strict=True)]


@dataclass(slots=True)
class Past:
    """Cores that all rule sets need, by round."""

    sluice: list[float] = field(default_factory=list)
    sloth: list[float] = field(default_factory=list)


def _past(size: Size, folder: Path, document: dict[str, Any]) -> Past:
    """Both on one history, in turn; a query that costs nothing is taken off of each."""
    folder.mkdir(parents=True)
    end = int(time.time()) // 3600 * 3600
    few, some = _names(size.histories[0]), _names(size.histories[1])
    lines = itertools.chain(
        histories.counters(few, size.scraped, end=end),
        histories.sloths(few, end=end),
        histories.sluices(some, end=end),
    )
    histories.backfill(folder, lines)
    ours = [
        Asked(rule["expr"], _every(group), finds=str(rule.get("record")).startswith("sluice:sli"))
        for group in document["groups"]
        for rule in group["rules"]
        if _windowed(rule)
    ]
    every = timedelta(seconds=sloth.EVERY_SECONDS)
    theirs = [
        Asked(promql, every, finds=not alerts)
        for route in few
        for alerts, promqls in ((False, sloth.recordings(route)), (True, sloth.alerts(route)))
        for promql in promqls
    ]
    found, routes = Past(), size.objectives[-1]
    with prometheus(folder) as running:
        asker = _Asker(running, end - histories.SCRAPE)
        asker.check([*ours, *theirs])
        for _ in range(size.ruled):
            found.sluice.append(asker.cores(ours) * routes / len(some))
            found.sloth.append(asker.cores(theirs) * routes / len(few))
    return found


def _every(group: dict[str, Any]) -> timedelta:
    return span(group["interval"]) or rules.BASE


def _names(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


@dataclass(frozen=True, slots=True)
class _Asker:
    running: Running
    at: int

    def cores(self, asked: Sequence[Asked]) -> float:
        """Processor time per second, were each evaluated as often as its rule is."""
        nothing = self._seconds("vector(1)")
        spent = ((self._seconds(each.promql) - nothing) / each.every.total_seconds() for each in asked)
        return max(0.0, sum(spent))

    def check(self, asked: Sequence[Asked]) -> None:
        """What finds nothing costs nothing: that is no measurement."""
        for each in asked:
            if each.finds and not self._ask(each.promql):
                raise RuntimeError(f"the history has nothing for {each.promql}")

    def _seconds(self, promql: str) -> float:
        """The second time: the first may have read from disk."""
        self._ask(promql)
        before = cpu_seconds(self.running.pid)
        self._ask(promql)
        return cpu_seconds(self.running.pid) - before

    def _ask(self, promql: str) -> int:
        """How many series it finds."""
        sent = {"query": promql, "time": self.at}
        answer = requests.post(f"{self.running.url}/api/v1/query", data=sent, timeout=TIMEOUT)
        answer.raise_for_status()
        return len(answer.json()["data"]["result"])
