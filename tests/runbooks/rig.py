"""Two runbooks over two routes of one tier, with every fault there is, for tests of what must always hold."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from django.db import connection

import alerts.selectors
import alerts.services
import proxy.selectors
import proxy.services
from audit.domain.actor import Actor
from proxy.memory import InMemoryAdmin
from runbooks import services, texts
from runbooks.domain.definition import Definition
from runbooks.domain.measures import Measure
from runbooks.domain.states import WrongState
from runbooks.domain.writing import from_declaration, from_markdown
from runbooks.models import Run
from runbooks.services import conducting
from runbooks.services.looking import Round
from runbooks.services.seeing import Seen
from telemetry.domain import catalogue
from telemetry.domain.errors import MetricsUnavailable
from telemetry.memory import Answer, InMemoryMetrics
from tests.proxy.factories import document
from tests.runbooks.world import ANN, QUICK, START

BOB = Actor("bob", "web")
FIRST, OTHER = "retry-storm", "other-storm"
SLUGS = (FIRST, OTHER)
ROUTES = {"shop": "shop-v1", "payments": "payments"}
POLICY = QUICK | {"actions": 4, "actions_in_all": 6, "flaps": 3, "routes_touched": 0.5, "longest": "5m"}
# Per second: first attempts, retries, of them failing, failed first attempts.
STORM, CALM = (100.0, 80.0, 60.0, 50.0), (100.0, 0.0, 0.0, 0.0)
WINDOW = timedelta(seconds=10)


class Killed(BaseException):
    """Stands for SIGKILL."""


@dataclass(slots=True)
class Crash:
    """Kills the process right after its `at`-th commit: nothing that it would still do happens."""

    at: int
    commits: int = 0
    dead: bool = False
    depth: int = field(default_factory=lambda: _depth())

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.dead and not sql.startswith(("ROLLBACK TO", "RELEASE")):
            raise Killed
        result = execute(sql, params, many, context)
        commits = sql.startswith(("RELEASE", "INSERT", "UPDATE", "DELETE")) and _depth() == self.depth
        if commits and not self.dead:
            self.commits += 1
            self.dead = self.commits == self.at
            if self.dead:
                raise Killed
        return result


def _depth() -> int:
    return sum(1 for name in connection.savepoint_ids if name)


@dataclass
class Rig:
    """What the world does, and what people do."""

    now: datetime = START
    storms: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(ROUTES, False))
    acking: bool = True
    metrics: InMemoryMetrics = field(default_factory=InMemoryMetrics)
    admin: InMemoryAdmin = field(default_factory=InMemoryAdmin)
    laid: frozenset[str] = frozenset()
    stalled: tuple[Round, list[Run], dict[int, Measure]] | None = None
    # When the kill switch was on, and of which route a silence was in force: from, and to or still.
    killed: list[list[datetime]] = field(default_factory=list)
    silenced: list[tuple[str, list[datetime]]] = field(default_factory=list)

    # What the world does.

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.tick()

    def until(self, state: str) -> None:
        """Rounds until a run is in the state."""
        for _ in range(60):
            if Run.objects.filter(state=state).exists():
                return
            self.tick()
        raise AssertionError(f"never {state}: {list(Run.objects.values_list('state', 'why'))}")

    def tick(self, seconds: float = 2) -> None:
        self.now += timedelta(seconds=seconds)
        self._look()
        services.tick(metrics=self.metrics, admin=self.admin, now=self.now)
        if self.acking:
            self.ack()

    def twice(self) -> None:
        """A message that came twice."""
        self.tick()
        self.tick(0)

    def crash(self, at: int, seconds: float = 2) -> bool:
        """A round that is killed at its `at`-th commit; false when it had fewer."""
        self.now += timedelta(seconds=seconds)
        self._look()
        crash = Crash(at)
        try:
            with connection.execute_wrapper(crash):
                services.tick(metrics=self.metrics, admin=self.admin, now=self.now)
        except Killed:
            pass
        connection.needs_rollback = False
        return crash.dead

    def stall(self) -> None:
        """A worker claims what is open, looks, and then is held up."""
        self.now += timedelta(seconds=2)
        self._look()
        round = Round(self.now, self.admin)
        seen = Seen(self.metrics, self.now)
        seen.look()
        _, runs = conducting.claim(round)
        measures = seen.of(runs)
        conducting.remember(runs, measures, round)
        self.stalled = (round, runs, measures)

    def wake(self) -> None:
        """It goes on, with all that it knew then."""
        if self.stalled is None:
            return
        (round, runs, measures), self.stalled = self.stalled, None
        for run in runs:
            conducting.advance(run, measures[run.pk], round)

    def ack(self) -> None:
        self._ack("edge-1", "edge-2")

    def _ack(self, *names: str) -> None:
        generation = proxy.selectors.generation("edge")
        for name in names:
            proxy.services.record_ack(tier="edge", proxies=[name], generation=generation, now=self.now)

    def nack(self) -> None:
        """One proxy refuses what is served now."""
        generation = proxy.selectors.generation("edge")
        proxy.services.record_nack(
            tier="edge", proxy="edge-2", generation=generation, kind="RDS", reason="bad", now=self.now
        )
        self._ack("edge-1")

    def no_data(self, on: bool) -> None:
        self.metrics.fail(MetricsUnavailable("down") if on else None)

    def _look(self) -> None:
        """Retries stop where they are off."""
        live = proxy.selectors.live_overlays("edge", now=self.now)
        self.laid = frozenset(overlay.target for overlay in live)

    # What people do.

    def mode(self, mode: str, *slugs: str) -> None:
        for slug in slugs or SLUGS:
            services.set_mode(runbook=slug, tier="edge", mode=mode, by=ANN, reason="", now=self.now)

    def switch(self, on: bool) -> None:
        services.set_kill_switch(on=on, by=ANN, reason="", now=self.now)
        _note(self.killed, on, self.now)

    def silence(self) -> None:
        for incident in alerts.selectors.open_incidents():
            ends = self.now + timedelta(seconds=40)
            alerts.services.silence(incident_id=incident.id, until=ends, by=ANN, reason="known", now=self.now)
            self.silenced.append((incident.route, [self.now, ends]))

    def approve(self, plan_hash: str = "", by: Actor = ANN) -> None:
        """Every run that asks, as it is or with a wrong plan."""
        for run in Run.objects.filter(state="AWAITING_APPROVAL"):
            try:
                services.approve(
                    run_id=run.pk, plan_hash=plan_hash or run.plan_hash, by=by, reason="", now=self.now
                )
            except (services.PlanChanged, services.ApprovalOver, services.AnotherPerson):
                continue

    def people(self, act: Callable[..., None], **more: Any) -> None:
        """A person does this to every open run that allows it."""
        for run in Run.objects.open():
            try:
                act(run_id=run.pk, by=ANN, reason="", now=self.now, **more)
            except (WrongState, services.TooLong):
                continue

    def start(self, slug: str, route: str) -> None:
        given: dict[str, Any] = {"runbook": slug, "tier": "edge", "subject": route, "metrics": self.metrics}
        try:
            plan = services.dry_run(**given, now=self.now).plan
            services.start(**given, plan_hash=plan.digest, by=ANN, reason="", now=self.now)
        except services.CannotStart:
            return

    def split(self) -> None:
        """A rollout moves shop's weights: the plan of another remedy is then another."""
        until, target = self.now + timedelta(minutes=5), "route/shop/weights"
        held: dict[str, Any] = {"tier": "edge", "target": target, "owner": "rollout/1", "by": ANN}
        fence = proxy.services.lease(**held, until=until, now=self.now)
        weights = {"shop-v1": 9500, "shop-v2": 500}
        proxy.services.put_overlay(
            **held,
            patch={"kind": "weights", "route": "shop", "weights": weights},
            fence=fence,
            expires_at=until,
            reason="",
            now=self.now,
        )

    def settle(self) -> None:
        """The faults stop."""
        self.wake()
        self.no_data(False)
        self.switch(False)
        self.acking, self.storms = True, dict.fromkeys(ROUTES, False)
        self.ack()
        self.people(services.give_back)

    def answer(self, part: int) -> Callable[[datetime], Answer]:
        """One figure of both routes."""

        def rows(at: datetime) -> Iterator[tuple[Mapping[str, str], float]]:
            for route, upstream in ROUTES.items():
                value = (STORM if self.storms[route] else CALM)[part]
                off = part in (1, 2) and f"route/{route}/retry" in self.laid
                yield {"route": route, "arm": upstream}, 0.0 if off else value

        return lambda at: list(rows(at))


def _note(spans: list[list[datetime]], on: bool, now: datetime) -> None:
    if on and (not spans or len(spans[-1]) == 2):
        spans.append([now])
    elif not on and spans and len(spans[-1]) == 1:
        spans[-1].append(now)


def rig(**policy: Any) -> Rig:
    """Both runbooks in the mode approve, both routes calm."""
    made = Rig()
    proxy.services.apply(document=document(), by=ANN, reason="test", now=START)
    raw = from_markdown(OTHER, texts.built_in()[FIRST].raw)
    front = {**raw.front, "title": "Other storm", "cause": "other_storm"}
    other = from_declaration({"slug": OTHER, **front, "text": "Do it."})
    services.declare(declared=[other], by=ANN, reason="test", now=START)
    for slug in SLUGS:
        services.set_policy(runbook=slug, tier="edge", policy=POLICY | policy, by=ANN, reason="", now=START)
    made.mode("approve")
    asked: dict[str, Any] = {"tier": "edge", "window": WINDOW}
    parts = (catalogue.first_attempts, catalogue.retries, catalogue.failed_retries)
    for part, query in enumerate((*parts, catalogue.first_attempt_errors)):
        made.metrics.answer(query(**asked), made.answer(part))
    made.metrics.answer(catalogue.scrape_age(tier="edge"), [({"proxy": "edge-1"}, 1.0)])
    made.metrics.otherwise(())
    made.ack()
    return made


@contextmanager
def two_runbooks() -> Iterator[None]:
    """A tick looks by these two alone: the others that come with Sluice would see nothing here."""

    def both() -> dict[str, Definition]:
        found = ((slug, texts.text(slug).definition) for slug in SLUGS)
        return {slug: each for slug, each in found if each is not None}

    with mock.patch.object(texts, "automated", both):
        yield
