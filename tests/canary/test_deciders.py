"""Who decided on a rollout is known to the end: in its reason, the revision, the audit and the message."""

import pytest
from django.conf import settings

import proxy.revisions
import proxy.selectors
from audit.selectors import entries
from canary import selectors, services
from tests.canary.factories import ANN, World, messages, state

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("reason", ["known good", ""])
def test_a_promotion_by_a_person_is_theirs_to_the_end(world: World, reason: str) -> None:
    number = world.start()
    world.run(2)
    services.promote(rollout_id=number, by=ANN, reason=reason, now=world.now)
    assert world.run(5, until=lambda: state(number) == "promoted")
    said = "Promoted by ann: known good" if reason else "Promoted by ann"
    assert selectors.rollout(number).row.summary == said
    assert entries(action="rollout.promoted")[0].reason == said
    newest = proxy.revisions.revisions("edge")[0]
    assert (newest.by, newest.reason) == ("ann", said)
    world.run(5)
    told = [message.payload["text"] for message in messages("INFO")]
    assert told == [
        f"shop-v2 was promoted on shop [edge/shop] Sluice gave shop-v2 100 % on every proxy. {said} "
        f"{settings.BASE_URL}/runbooks/canary-step/ {settings.BASE_URL}/rollouts/{number}"
    ]


def test_a_promotion_by_the_judge_is_the_judges(world: World) -> None:
    number = world.start(plan={"steps": [5000], "warm_up": 0})
    world.per_second = 4000
    assert world.run(60, until=lambda: state(number) == "promoted")
    assert proxy.revisions.revisions("edge")[0].by == "judge"
    assert "Sluice decided: " in messages("INFO")[0].payload["text"]


def test_the_audit_calls_what_a_person_did_by_its_name(world: World) -> None:
    number = world.start(mode="approve")
    world.per_second = 4000
    services.pause(rollout_id=number, by=ANN, now=world.now)
    services.resume(rollout_id=number, by=ANN, now=world.now)
    assert world.run(60, until=lambda: state(number) == "awaiting_approval")
    services.approve(rollout_id=number, by=ANN, now=world.now)
    done = [entry.action for entry in entries(action="rollout.", actor="ann")]
    assert done == ["rollout.approved", "rollout.resumed", "rollout.paused", "rollout.started"]
