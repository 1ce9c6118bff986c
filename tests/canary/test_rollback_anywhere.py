"""A rollback works in every state and whatever else does not: it needs the database, and nothing else."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

import alerts.services
from access.domain.roles import Role
from alerts.memory import InMemoryChat
from audit.models import Entry
from canary import services
from canary.domain.states import LIVE
from canary.models import Rollout
from proxy import bases
from proxy.models import Revision
from telemetry.domain.errors import MetricsUnavailable
from telemetry.domain.series import Series
from telemetry.memory import InMemoryMetrics
from tests.canary.factories import ANN, PLAN, World, messages, rollout, state
from tests.support.people import bearer

pytestmark = pytest.mark.django_db

LONG: dict[str, Any] = {**PLAN, "longest_stay": 9000}


@pytest.fixture
def world() -> World:
    return World(per_second=2000)


def running(world: World) -> int:
    number = world.start(mode="approve", plan=LONG)
    world.run(4)
    return number


def awaiting_approval(world: World) -> int:
    number = world.start(mode="approve", plan=LONG)
    assert world.run(600, until=lambda: state(number) == "awaiting_approval")
    assert messages("APPROVAL")
    return number


def paused(world: World) -> int:
    number = running(world)
    services.pause(rollout_id=number, by=ANN, now=world.now)
    return number


def needs_human(world: World) -> int:
    number = world.start(mode="approve", plan={**PLAN, "longest_stay": 2})
    assert world.run(30, until=lambda: state(number) == "needs_human")
    return number


def promoting(world: World) -> int:
    number = running(world)
    services.promote(rollout_id=number, by=ANN, now=world.now)
    world.run(1)
    return number


def baking(world: World) -> int:
    number = world.start(mode="approve", plan={**LONG, "bake": {"seconds": 600}})
    world.run(4)
    services.promote(rollout_id=number, by=ANN, now=world.now)
    assert world.run(20, until=lambda: state(number) == "baking")
    return number


STATES: dict[str, Callable[[World], int]] = {
    made.__name__: made for made in (running, awaiting_approval, paused, needs_human, promoting, baking)
}


@contextmanager
def nothing(world: World) -> Iterator[None]:
    yield


@contextmanager
def metrics_missing(world: World) -> Iterator[None]:
    world.metrics.fail(MetricsUnavailable("connection refused"))
    yield


@contextmanager
def slack_down(world: World) -> Iterator[None]:
    """Nothing is sent, and so nothing is confirmed."""
    chat = InMemoryChat(mode="down")
    alerts.services.deliver(chat=chat, now=world.now)
    yield
    assert alerts.services.deliver(chat=chat, now=world.now) == 0


@contextmanager
def workers_dead(world: World) -> Iterator[None]:
    """Who rolls back is the person: the proxies get it without a tick."""
    world.works = False
    yield
    world.works = True


@contextmanager
def database_slow(world: World) -> Iterator[None]:
    """Each statement takes 5 ms more."""

    def slow(execute: Callable[..., Any], *given: Any) -> Any:
        time.sleep(0.005)
        return execute(*given)

    with connection.execute_wrapper(slow):
        yield


HARDSHIPS = (nothing, metrics_missing, slack_down, workers_dead, database_slow)


def test_every_state_that_lives_is_tried() -> None:
    assert {*STATES, "rolling_back"} == set(LIVE)


@pytest.mark.parametrize("hardship", HARDSHIPS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", STATES)
def test_a_person_rolls_back_in_every_state_in_every_hardship(
    world: World, name: str, hardship: Callable[[World], Any]
) -> None:
    number = STATES[name](world)
    assert world.split()["shop-v2"] > 0
    with hardship(world):
        services.rollback(rollout_id=number, by=ANN, now=world.now)
        assert state(number) == "rolling_back"
        assert world.split() == {"shop-v1": 10_000, "shop-v2": 0}
        world.run(2)
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    assert world.split() == {"shop-v1": 10_000, "shop-v2": 0}


@pytest.mark.parametrize("name", [name for name in STATES if name != "promoting"])
def test_the_judge_rolls_back_in_every_state_that_it_judges_with_slack_down(world: World, name: str) -> None:
    number = STATES[name](world)
    with slack_down(world):
        world.fails["shop-v2"] = 0.5
        assert world.run(60, until=lambda: state(number) == "rolled_back")


class Interrupted(InMemoryMetrics):
    """While the judge waits for its answer, a person rolls back."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self.act = act
        self.held: list[int] = []

    def raw(self, selector: str, *, window: timedelta, at: datetime) -> tuple[Series, ...]:
        if not self.held:
            self.held.append(len(connection.savepoint_ids))
            self.act()
        return super().raw(selector, window=window, at=at)


def test_a_rollback_while_the_judge_waits_for_prometheus_waits_for_no_lock_and_stands(world: World) -> None:
    number = running(world)
    outside = len(connection.savepoint_ids)
    slow = Interrupted(lambda: services.rollback(rollout_id=number, by=ANN, now=world.now))
    services.tick(metrics=slow, admin=world.admin, now=world.now + timedelta(seconds=2))
    assert slow.held == [outside]
    assert (state(number), world.split()["shop-v2"]) == ("rolling_back", 0)


@contextmanager
def black_hole() -> Iterator[socket.socket]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def visitors(server: socket.socket) -> int:
    """How many connected."""
    count = 0
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(server.accept()[0])
            except BlockingIOError:
                return count
            count += 1


@pytest.mark.parametrize("name", STATES)
def test_a_rollback_by_the_api_asks_neither_prometheus_nor_slack(
    world: World, settings: Any, client: Client, name: str
) -> None:
    number, who = STATES[name](world), bearer(Role.OPERATOR)
    assert client.get(f"/api/v1/rollouts/{number}", headers=who).status_code == 200
    with black_hole() as prometheus, black_hole() as slack:
        settings.PROMETHEUS_URL = f"http://127.0.0.1:{prometheus.getsockname()[1]}"
        settings.SLACK_API_URL = f"http://127.0.0.1:{slack.getsockname()[1]}/"
        settings.SLACK_BOT_TOKEN = "xoxb-test"
        began = time.monotonic()
        address = f"/api/v1/rollouts/{number}/rollback"
        answer = client.post(address, content_type="application/json", headers=who)
        took = time.monotonic() - began
        assert (answer.status_code, answer.json()["state"]) == (200, "rolling_back")
        assert (visitors(prometheus), visitors(slack)) == (0, 0)
    assert took < settings.PROMETHEUS_TIMEOUT_SECONDS
    assert world.split()["shop-v2"] == 0


class Cut:
    """The database goes away at the n-th statement."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, execute: Callable[..., Any], *given: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(*given)


@pytest.mark.parametrize("name", ["running", "promoting"])
def test_a_rollback_that_the_database_cuts_off_leaves_nothing_half_done_and_can_be_repeated(
    world: World, name: str
) -> None:
    number = STATES[name](world)
    before, split, audited = state(number), world.split(), Entry.objects.count()
    statements = 0
    while True:
        statements += 1
        cut = Cut(statements)
        try:
            with connection.execute_wrapper(cut):
                services.rollback(rollout_id=number, by=ANN, now=world.now)
        except OperationalError:
            assert (state(number), world.split(), Entry.objects.count()) == (before, split, audited)
        else:
            break
    assert world.split()["shop-v2"] == 0
    assert statements < 100


def test_a_base_that_cannot_be_published_keeps_no_canary_in_traffic(world: World) -> None:
    """A newer version wrote a revision that this one does not understand, over a promoted base."""
    number = running(world)
    services.promote(rollout_id=number, by=ANN, now=world.now)
    assert world.run(9, until=lambda: rollout(number).push["stage"] == "base")
    newest = Revision.objects.latest("number")
    newest.pk, newest.number = None, newest.number + 1
    newest.document = {**newest.document, "later": "unknown"}
    newest.save()
    assert bases.base("edge").unread
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    world.run(5)
    assert (state(number), world.split()["shop-v2"]) == ("rolling_back", 0)
    assert "the split of before cannot be made the base" in rollout(number).problem
    newest.delete()
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    assert world.split() == {"shop-v1": 10_000, "shop-v2": 0}


def test_a_second_rollback_is_told_that_one_is_under_way(world: World) -> None:
    number = running(world)
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    with pytest.raises(Exception, match="cannot roll back: the rollout is rolling back"):
        services.rollback(rollout_id=number, by=ANN, now=world.now)
    assert Rollout.objects.filter(state="rolling_back").count() == 1
