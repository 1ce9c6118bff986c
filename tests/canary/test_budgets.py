"""What the tier's error budget policy lets a rollout do: it stops steps up, and never a rollback."""

from datetime import timedelta

import pytest

import proxy.services
import slo.services
from canary import services
from canary.domain.errors import Frozen
from canary.models import Rollout
from proxy.selectors import base
from slo.models import Budget, Objective
from tests.canary.factories import ANN, World, messages, rollout, state
from tests.proxy.factories import document

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def leave(world: World, share: float, name: str = "shop-availability") -> None:
    """So much of an objective's budget is left, over a whole period."""
    slo.services.sync(tier=base("edge"), by=ANN, now=world.now)
    Budget.objects.update_or_create(
        objective=Objective.objects.get(name=name),
        defaults={"since": world.now, "looked_at": world.now, "left": share, "coverage": 1.0},
    )


def test_without_a_budget_no_rollout_begins_and_the_figures_are_said(world: World) -> None:
    leave(world, -0.2)
    with pytest.raises(Frozen) as caught:
        world.start()
    assert caught.value.field == "route"
    assert "nothing of the error budget of shop-availability is left" in caught.value.why
    assert not Rollout.objects.exists()


@pytest.mark.parametrize("name", ["proxy-availability", "shop-availability"])
def test_a_budget_that_goes_in_mid_rollout_holds_the_step_and_says_why(world: World, name: str) -> None:
    number = world.start()
    leave(world, 0, name)
    world.per_second = 4000
    world.run(30)
    row = rollout(number)
    assert (row.state, row.weight) == ("running", 500)
    assert row.problem.startswith(f"passed, but steps up are frozen: nothing of the error budget of {name}")


def test_it_goes_on_when_the_budget_is_back(world: World) -> None:
    number = world.start()
    leave(world, 0)
    world.per_second = 4000
    world.run(30)
    leave(world, 0.9)
    assert world.run(120, until=lambda: state(number) == "promoted")


def test_a_rollback_needs_no_budget(world: World) -> None:
    number = world.start()
    leave(world, -1)
    world.fails["shop-v2"] = 0.3
    assert world.run(20, until=lambda: state(number) == "rolled_back")


def test_a_person_s_rollback_needs_no_budget_and_their_step_up_does(world: World) -> None:
    number = world.start(mode="approve")
    world.per_second = 4000
    assert world.run(30, until=lambda: state(number) == "awaiting_approval")
    leave(world, 0)
    for step_up in (services.approve, services.promote):
        with pytest.raises(Frozen, match="change the tier's budget_policy"):
            step_up(rollout_id=number, by=ANN, now=world.now)
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    assert state(number) == "rolling_back"


def test_with_a_quarter_left_an_automatic_rollout_asks_before_each_step(world: World) -> None:
    number = world.start()
    leave(world, 0.25)
    world.per_second = 4000
    assert world.run(30, until=lambda: state(number) == "awaiting_approval")
    assert "25 % of the error budget of shop-availability is left" in rollout(number).reason
    (asked,) = messages("APPROVAL")
    assert "waits for approval" in str(asked.payload)
    services.approve(rollout_id=number, by=ANN, now=world.now)
    assert rollout(number).weight == 5000


def test_another_route_s_budget_and_a_ticket_hold_nothing(world: World) -> None:
    leave(world, -5, "payments-availability")
    leave(world, -5, "worker-cpu")
    assert world.start()


def test_a_policy_that_never_freezes_is_obeyed(world: World) -> None:
    never = document(budget_policy={"approve": None, "freeze": None})
    proxy.services.apply(document=never, by=ANN, reason="a sale", now=world.now + timedelta(seconds=1))
    leave(world, -5)
    number = world.start()
    world.per_second = 4000
    assert world.run(120, until=lambda: state(number) == "promoted")
