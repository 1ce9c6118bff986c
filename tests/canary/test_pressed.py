"""A rollout's buttons: the step that was shown, the way back, and gone once they are answered."""

import pytest

import audit.selectors
from access.domain.roles import Role
from alerts.models import Outbox
from canary import services
from tests.alerts.pressing import buttons, linked, press, shown
from tests.canary.factories import ANN, World, state

pytestmark = pytest.mark.django_db

APPROVE, ROLL_BACK = "rollout.approve", "rollout.roll_back"


def asked(world: World) -> int:
    world.per_second = 4000
    number = world.start(mode="approve")
    assert world.run(60, lambda: state(number) == "awaiting_approval")
    return number


def test_a_step_that_was_earned_is_approved_from_its_message() -> None:
    world = World()
    number = asked(world)
    linked()
    row = Outbox.objects.get(kind="APPROVAL", op="post")
    assert buttons(row) == [APPROVE, ROLL_BACK]

    assert press(APPROVE, now=world.now).done
    assert state(number) == "running"
    (entry,) = audit.selectors.entries(action="rollout.approved")
    assert (entry.actor, entry.source) == ("ann", "slack")
    row.refresh_from_db()
    assert not row.offers


def test_a_yes_to_a_step_that_somebody_ended_is_no_yes_to_the_next() -> None:
    world = World()
    number = asked(world)
    linked()
    nonce = shown(APPROVE)["value"]
    services.approve(rollout_id=number, by=ANN, now=world.now)
    assert not press(APPROVE, now=world.now, nonce=nonce).done
    assert len(audit.selectors.entries(action="rollout.approved")) == 1


def test_it_is_rolled_back_from_its_message() -> None:
    world = World()
    number = asked(world)
    linked()
    assert press(ROLL_BACK, now=world.now).done
    assert world.run(30, lambda: state(number) == "rolled_back")
    assert not Outbox.objects.filter(key__startswith=f"rollout/{number}/", offers=True).exists()
    assert world.split()["shop-v1"] == 10_000


def test_the_way_back_is_offered_where_a_person_is_called() -> None:
    world = World(per_second=2)
    number = world.start(plan={"steps": [500, 5000], "warm_up": 0, "push_deadline": 5, "longest_stay": 60})
    assert world.run(120, lambda: state(number) == "needs_human")
    assert buttons(Outbox.objects.get(kind="NEEDS_HUMAN", op="post")) == [ROLL_BACK]


def test_a_rollout_that_ended_is_not_rolled_back_by_an_old_message() -> None:
    world = World()
    number = asked(world)
    linked()
    nonce = shown(ROLL_BACK)["value"]
    services.rollback(rollout_id=number, by=ANN, reason="enough", now=world.now)
    late = press(ROLL_BACK, now=world.now, nonce=nonce)
    assert late.words == "Nothing was done: cannot roll back: the rollout is rolling back."


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_a_viewer_rolls_nothing_back(role: Role | None) -> None:
    world = World()
    number = asked(world)
    linked(role)
    assert not press(ROLL_BACK, now=world.now).done
    assert state(number) == "awaiting_approval"
