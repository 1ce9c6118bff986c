"""What a rollout says outside an incident: where, whose fault, figures, what the machine did, the links."""

import json
from collections.abc import Callable

import pytest
from django.conf import settings

from alerts.models import Outbox
from canary import services
from tests.canary.factories import ANN, PLAN, World, messages, state

pytestmark = pytest.mark.django_db


def asked(world: World) -> int:
    world.per_second = 4000
    number = world.start(mode="approve")
    assert world.run(60, lambda: state(number) == "awaiting_approval")
    return number


def promoted(world: World) -> int:
    number = world.start()
    world.run(5)
    services.promote(rollout_id=number, by=ANN, reason="seen enough", now=world.now)
    assert world.run(60, lambda: state(number) == "promoted")
    return number


def undecided(world: World) -> int:
    world.per_second = 2
    number = world.start(plan={**PLAN, "longest_stay": 60})
    assert world.run(120, lambda: state(number) == "needs_human")
    return number


def disobeyed(world: World) -> int:
    number = world.start()
    world.run(5)
    world.obeys = False
    services.rollback(rollout_id=number, by=ANN, reason="not now", now=world.now)
    assert world.run(60, lambda: bool(messages("NEEDS_HUMAN")))
    return number


SAID: dict[str, tuple[Callable[[World], int], str, str]] = {
    "asks": (asked, "APPROVAL", "none: nothing is wrong"),
    "promoted": (promoted, "INFO", "none: nothing is wrong"),
    "undecided": (undecided, "NEEDS_HUMAN", "unknown"),
    "disobeyed": (disobeyed, "NEEDS_HUMAN", "proxy"),
}


@pytest.mark.parametrize("what", SAID)
def test_each_message_has_every_part(what: str) -> None:
    happen, kind, originator = SAID[what]
    number = happen(World())
    (message,) = Outbox.objects.filter(kind=kind, op="post")

    said = json.dumps(message.payload)

    assert message.incident_id is None
    for part in ("*Tier*\\nedge", "*Route*\\nshop", f"*Originator*\\n{originator}", "What the machine did"):
        assert part in said
    assert "*canary's share*" in said
    assert "first attempts of shop-v2" in said
    assert "first attempts of the control" in said
    assert f"{settings.BASE_URL}/runbooks/canary-step/" in said
    assert f"{settings.BASE_URL}/rollouts/{number}" in said
