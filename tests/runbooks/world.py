"""A tier, its measurements and its proxies as a test moves them through time."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import proxy.selectors
import proxy.services
from audit.domain.actor import Actor
from proxy.memory import InMemoryAdmin
from proxy.ports import ProxyAdmin
from runbooks import selectors, services
from runbooks.models import Run
from runbooks.selectors import RunRow
from telemetry.domain import catalogue
from telemetry.memory import Answer, InMemoryMetrics
from telemetry.ports import Metrics
from tests.proxy.factories import document

START = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
ANN = Actor("ann", "web")
SECOND = timedelta(seconds=1)
QUICK = {
    "lookback": "10s",
    "confirm_for": "4s",
    "approval_for": "60s",
    "ack_within": "6s",
    "verify_for": "6s",
    "hold_for": "60s",
    "quiet_for": "10s",
    "revert_within": "10s",
    "cooldown": "30s",
}


@dataclass
class World:
    """Per second: first attempts, retries, failed first attempts on shop's arms; retries refused by shop-v1."""

    now: datetime = START
    first: float | None = 100.0
    retries: float = 0.0
    wasted: float = 0.0
    failed: float = 0.0
    refused: float = 0.0
    scrape_age: float = 1.0
    acking: bool = True
    metrics: InMemoryMetrics = field(default_factory=InMemoryMetrics)
    admin: ProxyAdmin = field(default_factory=InMemoryAdmin)

    def storm(self) -> None:
        self.retries, self.wasted, self.failed = 80.0, 60.0, 50.0

    def retries_off(self) -> None:
        """What the tier shows once retries are off: the backend goes on failing."""
        self.retries, self.wasted, self.failed = 0.0, 0.0, 50.0

    def healthy(self) -> None:
        self.retries = self.wasted = self.failed = 0.0

    def tick(self, seconds: float = 2) -> None:
        """Let time pass, one round, and the proxies acknowledge what is served."""
        self.tick_by(self.metrics, time.monotonic, seconds)

    def tick_by(self, metrics: Metrics, clock: Callable[[], float], seconds: float = 2) -> None:
        """The same with another Prometheus, and what counts the seconds that it takes."""
        self.now += timedelta(seconds=seconds)
        services.tick(metrics=metrics, admin=self.admin, now=self.now, clock=clock)
        if self.acking:
            self.ack()

    def ticks(self, count: int, seconds: float = 2) -> None:
        for _ in range(count):
            self.tick(seconds)

    def canary_begins(self) -> None:
        """A rollout lays its weights over shop, which changes what a plan is made on."""
        until = self.now + timedelta(minutes=5)
        fence = proxy.services.lease(
            tier="edge", target="route/shop/weights", owner="rollout/1", until=until, by=ANN, now=self.now
        )
        proxy.services.put_overlay(
            tier="edge",
            target="route/shop/weights",
            owner="rollout/1",
            patch={"kind": "weights", "route": "shop", "weights": {"shop-v1": 9500, "shop-v2": 500}},
            fence=fence,
            expires_at=until,
            by=ANN,
            reason="",
            now=self.now,
        )

    def ack(self) -> None:
        generation = proxy.selectors.generation("edge")
        for name in ("edge-1", "edge-2"):
            proxy.services.record_ack(tier="edge", proxies=[name], generation=generation, now=self.now)

    def until(self, state: str, *, rounds: int = 40, seconds: float = 2) -> RunRow:
        """Tick until the newest run is in `state`."""
        for _ in range(rounds):
            if self.states()[:1] == [state]:
                return self.run()
            self.tick(seconds)
        raise AssertionError(f"never {state}: {self.states()}: {[r.why for r in selectors.runs()]}")

    def run(self) -> RunRow:
        row = selectors.run(Run.objects.order_by("-id").values_list("pk", flat=True)[0])
        assert row is not None
        return row

    def states(self) -> list[str]:
        return [row.state for row in selectors.runs()]

    def history(self) -> list[str]:
        return [step.state for step in self.run().steps]

    def live(self) -> list[str]:
        return [overlay.target for overlay in proxy.selectors.live_overlays("edge", now=self.now)]

    def mode(self, mode: str) -> None:
        services.set_mode(runbook="retry-storm", tier="edge", mode=mode, by=ANN, reason="test", now=self.now)

    def approve(self) -> None:
        run = self.run()
        services.approve(run_id=run.id, plan_hash=run.plan_hash, by=ANN, reason="go", now=self.now)

    def answer_for(self, name: str, labels: Mapping[str, str]) -> Callable[[datetime], Answer]:
        """What Prometheus answers now: this field, or nothing where it is None."""

        def answer(at: datetime) -> Answer:
            value = getattr(self, name)
            return [] if value is None else [(labels, value)]

        return answer


def world(**policy: Any) -> World:
    """The sample tier with quick durations, quiet."""
    made = World()
    proxy.services.apply(document=document(), by=ANN, reason="test", now=START)
    services.set_policy(
        runbook="retry-storm", tier="edge", policy=QUICK | policy, by=ANN, reason="test", now=START
    )
    made.metrics.otherwise(())
    _measure(made, selectors.policy(runbook="retry-storm", tier=proxy.selectors.base("edge")).lookback)
    made.ack()
    return made


def asking(**policy: Any) -> World:
    """A storm whose run waits for approval."""
    made = world(**policy)
    made.storm()
    made.until("AWAITING_APPROVAL")
    return made


def holding(**policy: Any) -> World:
    """A run by itself that worked."""
    made = world(**policy)
    made.mode("auto")
    made.storm()
    made.until("VERIFYING")
    made.retries_off()
    made.until("HOLDING")
    return made


def _measure(made: World, window: timedelta) -> None:
    arm = {"route": "shop", "arm": "shop-v1"}
    asked: dict[str, Any] = {"tier": "edge", "window": window}
    answers = {
        catalogue.first_attempts(**asked): ("first", arm),
        catalogue.retries(**asked): ("retries", arm),
        catalogue.failed_retries(**asked): ("wasted", arm),
        catalogue.first_attempt_errors(**asked): ("failed", arm),
        catalogue.retry_budget_exhaustion(**asked): ("refused", {"envoy_cluster_name": "shop-v1"}),
        catalogue.scrape_age(tier="edge"): ("scrape_age", {"proxy": "edge-1"}),
    }
    for promql, (name, labels) in answers.items():
        made.metrics.answer(promql, made.answer_for(name, labels))
