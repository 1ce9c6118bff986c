"""Each message of a storm and its run: tier, route, originator, numbers, what the machine did, the links."""

import json
from collections.abc import Callable

import pytest
from django.conf import settings

import alerts.services
from alerts.models import Incident, Outbox
from runbooks import services
from tests.runbooks.world import ANN, World, asking, holding, world

pytestmark = pytest.mark.django_db


def storm() -> World:
    w = world()
    w.mode("observe")
    w.storm()
    w.ticks(10)
    return w


def denied() -> World:
    w = asking()
    services.deny(run_id=w.run().id, by=ANN, reason="not now", now=w.now)
    return w


def cancelled() -> World:
    w = holding()
    services.cancel(run_id=w.run().id, by=ANN, reason="enough", now=w.now)
    w.until("CANCELLED")
    return w


def expired() -> World:
    w = asking()
    w.until("EXPIRED", rounds=60)
    return w


def stuck() -> World:
    w = world()
    w.mode("auto")
    w.storm()
    w.acking = False
    w.until("NEEDS_HUMAN")
    return w


def succeeded() -> World:
    w = holding()
    w.healthy()
    w.until("SUCCEEDED")
    return w


def resolved() -> World:
    w = succeeded()
    w.ticks(10)
    return w


def back() -> World:
    w = holding()
    w.retries, w.wasted, w.failed = 80.0, 60.0, 95.0
    w.until("FAILED_REVERTED")
    w.ticks(3)
    return w


def by_hand() -> World:
    w = holding()
    number = w.run().incident_id
    assert number is not None
    alerts.services.resolve(incident_id=number, by=ANN, reason="done", now=w.now)
    return w


MESSAGES: dict[str, tuple[Callable[[], World], str]] = {
    "storm": (storm, "Retry storm on shop"),
    "approval": (asking, "Approve? Run"),
    "acted": (holding, "acted on shop"),
    "succeeded": (succeeded, "on shop: done and taken back"),
    "failed": (back, "on shop: did not help and was taken back"),
    "cancelled": (cancelled, "on shop: cancelled and taken back"),
    "denied": (denied, "on shop: denied"),
    "expired": (expired, "on shop: nobody approved in time"),
    "needs a person": (stuck, "needs a person"),
    "back": (back, "It is back"),
    "resolved": (resolved, "Resolved: "),
    "resolved by a person": (by_hand, "Resolved: "),
}


def message(w: World, heading: str) -> Outbox:
    """The one post whose heading has these words."""
    (found,) = (
        m for m in Outbox.objects.filter(op="post") if heading in m.payload["blocks"][0]["text"]["text"]
    )
    return found


@pytest.mark.parametrize("kind", MESSAGES)
def test_each_message_has_every_part(kind: str) -> None:
    make, heading = MESSAGES[kind]
    w = make()
    incident = Incident.objects.get()

    said = json.dumps(message(w, heading).payload)

    assert f"{settings.BASE_URL}/runbooks/retry-storm/?incident={incident.pk}" in said
    for part in ("*Tier*\\nedge", "*Route*\\nshop", "*Originator*\\nbackend shop-v1", "What the machine did"):
        assert part in said
    assert "Retries per first attempt" in said


@pytest.mark.parametrize(
    "kind", [name for name in MESSAGES if name not in ("storm", "back", "resolved", "resolved by a person")]
)
def test_what_a_run_says_names_it_and_links_to_it(kind: str) -> None:
    make, heading = MESSAGES[kind]
    w = make()

    found = message(w, heading)

    assert f"Run {w.run().id}" in found.payload["blocks"][0]["text"]["text"]
    assert f"{settings.BASE_URL}/runs/{w.run().id}" in json.dumps(found.payload)


@pytest.mark.parametrize(
    ("remedy", "essence"),
    [("retry_off", "retries 2 -&gt; 0"), ("retry_budget", "retry budget in percent 20.0 -&gt; 2.0")],
)
def test_a_request_for_approval_is_in_the_channel_and_says_first_what_it_comes_to(
    remedy: str, essence: str
) -> None:
    w = asking(remedy=remedy)
    plan = w.run().plan
    assert plan is not None

    found = message(w, "Approve? Run")

    heading, *rest = (json.dumps(block) for block in found.payload["blocks"])
    assert found.payload["broadcast"]
    assert heading.count(essence) == 1
    assert f"and {len(plan.changes) - 1} further lines on the run's page" in "".join(rest)
    assert "within 1 min" in rest[-1]


def test_the_figures_of_a_storm_are_the_latest_while_a_person_decides() -> None:
    w = asking(approval_for="10m")
    lines = Incident.objects.get().timeline.count()
    w.retries, w.wasted = 95.0, 95.0
    w.ticks(40)
    incident = Incident.objects.get()
    assert incident.numbers["Retries per first attempt"] == "95.0 %"
    assert "95.0 % retries" in incident.title
    assert "95.0 % retries" in Outbox.objects.filter(op="update").latest("id").payload["text"]
    assert incident.timeline.count() == lines


def root() -> str:
    """What the root message shows in the end."""
    return json.dumps(Outbox.objects.filter(op="update").latest("id").payload)


def test_what_clients_still_feel_is_said_first_while_a_run_holds() -> None:
    w = holding(hold_for="10m")
    incident = Incident.objects.get()
    assert incident.action == f"Run {w.run().id} holds: retries are off; first attempts still fail 50 %"
    felt = "Mitigated: load is no longer multiplied; 50 % of requests still fail at backend shop-v1"
    assert felt in root()
    assert "Retry storm on shop" in root()


def test_what_clients_still_feel_follows_the_measurements_but_not_into_the_timeline() -> None:
    w = holding(hold_for="10m")
    lines = Incident.objects.get().timeline.count()
    w.failed = 40.0
    w.ticks(40)
    incident = Incident.objects.get()
    assert incident.state == "MITIGATED"
    assert incident.numbers["Failed first attempts"] == "40.0 %"
    assert "40 % of requests still fail at backend shop-v1" in root()
    assert incident.timeline.count() == lines


@pytest.mark.parametrize("make", [resolved, back])
def test_what_is_resolved_or_back_says_no_more_what_was_felt(make: Callable[[], World]) -> None:
    make()
    assert "no longer multiplied" not in root()
    assert Incident.objects.get().standing == ""
