"""What people do to a rollout beyond the plan: skip, retry, undo; and two of them at once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

import proxy.revisions
import proxy.selectors
import proxy.services
from audit.domain.actor import Actor
from audit.selectors import entries
from canary import selectors, services
from canary.domain.errors import LiveRollout, Refused, Stale
from canary.domain.states import WrongState
from canary.models import Rollout
from canary.services import moving
from tests.canary.factories import ANN, World, messages, rollout, state
from tests.proxy.factories import document
from tests.support.rivals import Rival, two_writers

pytestmark = pytest.mark.django_db
BOB = Actor("bob", "cli")


@pytest.fixture
def world() -> World:
    return World()


def promoted(world: World) -> int:
    number = world.start()
    world.run(2)
    services.promote(rollout_id=number, by=ANN, now=world.now)
    assert world.run(8, until=lambda: state(number) == "promoted")
    return number


def rolled_back(world: World) -> int:
    number = world.start(reason="first try")
    world.run(2)
    services.rollback(rollout_id=number, by=ANN, reason="too slow", now=world.now)
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    return number


def offered(number: int) -> list[str]:
    return [action.action for action in selectors.rollout(number).actions]


def test_a_skip_takes_the_next_step_without_a_pass_and_says_by_whom(world: World) -> None:
    number = world.start()
    world.run(2)
    services.skip(rollout_id=number, by=ANN, reason="a fix for the checkout", now=world.now)
    assert (state(number), world.split()) == ("running", {"shop-v1": 5000, "shop-v2": 5000})
    first = selectors.rollout(number).ladder[0]
    assert (first.verdict, first.reason) == ("skipped", "skipped by ann: a fix for the checkout")
    assert entries(action="rollout.skipped")[0].actor == "ann"


def test_a_skip_resumes_what_was_paused(world: World) -> None:
    number = world.start()
    services.pause(rollout_id=number, by=ANN, now=world.now)
    services.skip(rollout_id=number, by=ANN, reason="seen enough", now=world.now)
    assert (state(number), rollout(number).weight) == ("running", 5000)


def test_a_skip_needs_a_reason(world: World) -> None:
    number = world.start()
    with pytest.raises(Refused, match="say why") as caught:
        services.skip(rollout_id=number, by=ANN, reason=" ", now=world.now)
    assert caught.value.field == "reason"
    assert rollout(number).weight == 500


def test_the_whole_is_nothing_to_skip_to(world: World) -> None:
    number = world.start(plan={"steps": [5000], "warm_up": 0})
    assert "skip" not in offered(number)
    with pytest.raises(Refused, match="promote it"):
        services.skip(rollout_id=number, by=ANN, reason="now", now=world.now)
    assert rollout(number).weight == 5000


def test_a_retry_is_a_new_rollout_with_the_same_plan(world: World) -> None:
    old = rolled_back(world)
    assert offered(old) == ["retry"]
    new = services.retry(rollout_id=old, by=ANN, reason="the cache is fixed", now=world.now)
    tried = rollout(new)
    assert (tried.state, tried.weight, tried.plan, tried.mode) == (
        "running",
        500,
        rollout(old).plan,
        rollout(old).mode,
    )
    assert tried.stated_reason == f"retry of rollout {old}: the cache is fixed"
    assert selectors.rollout(new).retry_of == old
    assert selectors.rollout(old).retries == (new,)
    assert offered(old) == []
    assert entries(action="rollout.started")[0].reason == tried.stated_reason


def test_only_what_was_rolled_back_is_retried(world: World) -> None:
    number = world.start()
    with pytest.raises(WrongState, match="cannot retry: the rollout is running"):
        services.retry(rollout_id=number, by=ANN, now=world.now)


def test_of_two_retries_the_second_is_told_of_the_first(world: World) -> None:
    old = rolled_back(world)
    services.retry(rollout_id=old, by=ANN, now=world.now)
    with pytest.raises(LiveRollout, match="which has not ended"):
        services.retry(rollout_id=old, by=BOB, now=world.now)


def test_an_undo_gives_back_the_split_of_before_at_once_and_as_a_revision(world: World) -> None:
    number = promoted(world)
    assert world.split() == {"shop-v1": 0, "shop-v2": 10000}
    assert offered(number) == ["undo"]
    services.undo(rollout_id=number, by=ANN, reason="memory grows", now=world.now)
    assert state(number) == "rolling_back"
    assert world.split() == {"shop-v1": 10000, "shop-v2": 0}
    newest = proxy.revisions.revisions("edge")[0]
    assert (newest.by, newest.reason) == ("ann", "Promotion undone by ann: memory grows")
    assert proxy.selectors.route("shop").split == {"shop-v1": 10000, "shop-v2": 0}
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    assert not proxy.selectors.live_overlays("edge", now=world.now)
    assert entries(action="rollout.undone")[0].actor == "ann"
    told = [message.payload["text"] for message in messages("INFO")]
    assert any("ann undid the promotion of shop-v2 on shop" in text for text in told)


def test_an_undo_throws_nothing_away_that_is_declared_at_the_same_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, lay_back = promoted(world), moving.lay_back

    def late(*of: Any, **how: Any) -> dict[str, Any]:
        half(world)
        return lay_back(*of, **how)

    monkeypatch.setattr(moving, "lay_back", late)
    with pytest.raises(Refused, match="changed since the promotion"):
        services.undo(rollout_id=number, by=ANN, now=world.now)
    assert state(number) == "promoted"


def half(world: World) -> None:
    """Somebody declares another split of the route."""
    routes = [{**route} for route in document()["tiers"][0]["routes"]]
    for route in routes:
        if route["name"] == "shop":
            route["split"] = {"shop-v1": 5000, "shop-v2": 5000}
    declared = document(routes=routes)
    proxy.services.apply(document=declared, by=BOB, reason="half", now=world.now + timedelta(seconds=1))


def test_an_undo_is_refused_where_the_split_was_changed_since(world: World) -> None:
    number = promoted(world)
    half(world)
    with pytest.raises(Refused, match="changed since the promotion, to shop-v1 50 %, shop-v2 50 %"):
        services.undo(rollout_id=number, by=ANN, now=world.now)
    assert (state(number), world.split()) == ("promoted", {"shop-v1": 5000, "shop-v2": 5000})


def test_an_undo_is_refused_while_the_route_has_another_rollout(world: World) -> None:
    number = promoted(world)
    services.start(route="shop", upstream="shop-v1", plan={"steps": [500]}, by=BOB, now=world.now)
    with pytest.raises(LiveRollout):
        services.undo(rollout_id=number, by=ANN, now=world.now)
    assert state(number) == "promoted"


def test_who_approves_or_skips_a_step_that_somebody_ended_is_told(world: World) -> None:
    number = world.start(plan={"steps": [500, 1000, 5000], "warm_up": 0})
    services.skip(rollout_id=number, by=ANN, reason="known good", step=0, now=world.now)
    with pytest.raises(Stale, match="somebody was first: the rollout is at 10 % by now"):
        services.skip(rollout_id=number, by=BOB, reason="me too", step=0, now=world.now)
    with pytest.raises(Stale):
        services.approve(rollout_id=number, by=BOB, step=0, now=world.now)
    assert rollout(number).weight == 1000


def at_once(world: World, act: Callable[[Actor], object]) -> Exception | None:
    """Ann acts and holds her transaction while Bob does the same; what he is told."""
    rival = Rival(lambda: act(BOB))
    with transaction.atomic():
        act(ANN)
        rival.start()
        rival.until_it_waits()
    return rival.ended()


@two_writers
@pytest.mark.django_db(transaction=True)
def test_of_two_who_skip_at_the_same_moment_one_wins_and_the_other_is_told(world: World) -> None:
    number = world.start(plan={"steps": [500, 1000, 5000], "warm_up": 0})
    told = at_once(
        world, lambda by: services.skip(rollout_id=number, by=by, reason="good", step=0, now=world.now)
    )
    assert isinstance(told, Stale)
    assert rollout(number).weight == 1000
    assert [entry.actor for entry in entries(action="rollout.skipped")] == ["ann"]


@two_writers
@pytest.mark.django_db(transaction=True)
def test_of_two_who_undo_at_the_same_moment_one_wins_and_the_other_is_told(world: World) -> None:
    number = promoted(world)
    told = at_once(world, lambda by: services.undo(rollout_id=number, by=by, now=world.now))
    assert isinstance(told, WrongState)
    assert [entry.actor for entry in entries(action="rollout.undone")] == ["ann"]


@two_writers
@pytest.mark.django_db(transaction=True)
def test_of_two_who_retry_at_the_same_moment_one_wins_and_the_other_is_told(world: World) -> None:
    number = rolled_back(world)
    told = at_once(world, lambda by: services.retry(rollout_id=number, by=by, now=world.now))
    assert isinstance(told, LiveRollout)
    assert Rollout.objects.count() == 2


@two_writers
@pytest.mark.django_db(transaction=True)
def test_a_start_and_an_undo_at_the_same_moment_end_in_one_of_them(world: World) -> None:
    number = promoted(world)
    rival = Rival(lambda: services.undo(rollout_id=number, by=BOB, now=world.now))
    with transaction.atomic():
        services.start(route="shop", upstream="shop-v1", plan={"steps": [500]}, by=ANN, now=world.now)
        rival.start()
        rival.until_it_waits()
    assert isinstance(rival.ended(), LiveRollout)
    assert state(number) == "promoted"
