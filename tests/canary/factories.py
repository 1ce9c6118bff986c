"""A small world for rollouts: a declared tier, scraped counters, proxies that obey. Time is a number of ticks."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import proxy.selectors
import proxy.services
from alerts.models import Outbox
from audit.domain.actor import Actor
from canary import services
from canary.models import Rollout
from proxy.domain.errors import ProxyUnreachable
from proxy.memory import InMemoryAdmin
from telemetry.memory import InMemoryMetrics
from tests.proxy.factories import document

T0 = datetime(2026, 1, 1, tzinfo=UTC)
ANN = Actor("ann", "cli")
PROXIES = {"edge-1": "127.0.0.1:19001", "edge-2": "127.0.0.1:19002"}
PLAN: dict[str, Any] = {"steps": [500, 5000], "warm_up": 0, "push_deadline": 5, "longest_stay": 300}


class World:
    """Advances second by second: scrapes, obeys, ticks. Rates are failures per first attempt."""

    def __init__(self, *, per_second: int = 200) -> None:
        self.now = T0
        self.metrics, self.admin = InMemoryMetrics(), InMemoryAdmin()
        self.per_second = per_second
        self.fails = {"shop-v1": 0.0, "shop-v2": 0.0}
        self.heals = False
        # The share of each arm's requests that take 50 ms; the others take 5. Given: histograms are scraped.
        self.slow: dict[str, float] = {}
        self.obeys, self.scraped, self.works = True, True, True
        # None: the proxies' own. One that knows no proxy is how it is when none can be read.
        self.read_by: InMemoryAdmin | None = None
        self._counts: dict[tuple[str, str, tuple[tuple[str, str], ...]], float] = {}
        proxy.services.apply(document=document(), by=ANN, reason="first", now=T0)

    def start(self, **changes: Any) -> int:
        given: dict[str, Any] = {"route": "shop", "upstream": "shop-v2", "plan": PLAN, "mode": "auto"}
        return services.start(**{**given, **changes}, by=ANN, now=self.now)

    def run(self, seconds: int, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass; stops when `until` holds. True when it does."""
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.serve()
            if self.scraped:
                self.scrape()
            if self.works:
                self.tick()
            if until():
                return True
        return False

    def tick(self, at: float = 0.95) -> None:
        admin = self.admin if self.read_by is None else self.read_by
        services.tick(metrics=self.metrics, admin=admin, now=self.now + timedelta(seconds=at))

    def serve(self) -> None:
        """Proxies take and acknowledge the newest configuration, when they obey."""
        if not self.obeys:
            return
        served = proxy.selectors.served("edge", now=self.now)
        splits = {route.name: dict(route.split) for route in served.live.routes}
        chosen = {route.name: route.told for route in served.live.routes}
        for name, address in PROXIES.items():
            self.admin.runs(address, splits, chosen=chosen)
            proxy.services.record_ack(tier="edge", proxies=[name], generation=served.generation, now=self.now)

    def split(self) -> dict[str, int]:
        """What the tier should run for the route now."""
        route = proxy.selectors.desired("edge", now=self.now).route("shop")
        assert route is not None
        return dict(route.split)

    def scrape(self, missed: Collection[str] = ()) -> None:
        """Count a second of traffic by what the proxies run, and store the counters but of those missed."""
        for name, address in PROXIES.items():
            running = self.admin.weights(address, "shop") if self.obeys or self._known(address) else {}
            for arm, weight in (running or {}).items():
                self._serve_arm(name, arm, round(self.per_second * weight / 10_000))
            if name in missed:
                continue
            at = self.now + timedelta(seconds=0.3)
            self.metrics.add("up", {"tier": "edge", "proxy": name}, [(at, 1.0)])
            for (of, metric, labels), value in self._counts.items():
                if of == name:
                    self.metrics.add(metric, dict(labels), [(at, value)])

    def _known(self, address: str) -> bool:
        try:
            return bool(self.admin.splits(address))
        except ProxyUnreachable:
            return False

    def _serve_arm(self, name: str, arm: str, attempts: int) -> None:
        failed = round(attempts * self.fails[arm])
        final = 0 if self.heals else failed
        self._count(name, "envoy_sluice_attempt", attempts - failed, arm=arm, attempt="1", code="200")
        self._count(name, "envoy_sluice_attempt", failed, arm=arm, attempt="1", code="503")
        self._count(name, "envoy_sluice_rq", attempts - final, arm=arm, code="200", reason="backend")
        self._count(name, "envoy_sluice_rq", final, arm=arm, code="503", reason="backend")
        if self.slow:
            self._time(name, arm, attempts)

    def _time(self, name: str, arm: str, requests: int) -> None:
        """Histograms as Envoy has them: cumulative, with an edge below all and one above."""
        quick = requests - round(requests * self.slow[arm])
        for edge, within in (("1000", 0), ("10000", quick), ("100000", requests), ("+Inf", requests)):
            self._count(name, "envoy_sluice_total_us_bucket", within, arm=arm, le=edge)
            self._count(name, "envoy_sluice_added_us_bucket", requests, arm=arm, le=edge, attempts="1")

    def _count(self, name: str, metric: str, more: int, **labels: str) -> None:
        if not more:
            return
        whole = {"tier": "edge", "proxy": name, "route": "shop", "flags": "-", **labels}
        key = (name, metric, tuple(sorted(whole.items())))
        self._counts[key] = self._counts.get(key, 0.0) + more


def rollout(number: int) -> Rollout:
    return Rollout.objects.get(pk=number)


def state(number: int) -> str:
    return rollout(number).state


def messages(kind: str = "FIRING") -> list[Outbox]:
    return list(Outbox.objects.filter(kind=kind, op="post"))
