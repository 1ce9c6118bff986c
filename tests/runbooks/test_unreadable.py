"""A run whose snapshot this Sluice cannot read: taken back, told, and in nobody's way."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.test import Client

from access.domain.roles import Role
from alerts.models import Outbox
from runbooks import listed, selectors, services
from runbooks.domain import mistakes
from runbooks.domain.policy import BadPolicy, policy
from runbooks.models import Run, Setting
from tests.runbooks.own import front, written
from tests.runbooks.world import ANN, World, asking, holding, world
from tests.support.people import bearer, person

PAGES = ("/", "/runs/", "/runs/{run}/", "/runbooks/retry-storm/", "/tiers/edge/", "/incidents/")


def renamed(w: World) -> World:
    """An upgrade has renamed an indicator."""
    text = Run.objects.get().definition
    assert '"indicator":"retries"' in text
    Run.objects.update(definition=text.replace('"indicator":"retries"', '"indicator":"renamed"'))
    return w


def infinite(w: World) -> World:
    """A version before has written infinity as JSON's null."""
    Run.objects.update(definition=Run.objects.get().definition.replace('"symptom":{', '"symptom":null,"x":{'))
    return w


def verifying() -> World:
    made = world()
    made.mode("auto")
    made.storm()
    made.until("VERIFYING")
    return made


def reverting() -> World:
    made = holding()
    made.acking = False
    services.cancel(run_id=made.run().id, by=ANN, reason="", now=made.now)
    return made


def taken() -> World:
    made = holding()
    services.take(run_id=made.run().id, by=ANN, reason="", now=made.now)
    return made


@pytest.mark.django_db
@pytest.mark.parametrize("begins", [verifying, holding, taken, reverting])
@pytest.mark.parametrize("unreadable", [renamed, infinite])
def test_what_acted_is_taken_back_at_once_and_a_person_is_called_once(
    begins: Callable[[], World], unreadable: Callable[[World], World]
) -> None:
    w = unreadable(begins())
    w.ticks(3)
    assert w.states() == ["NEEDS_HUMAN"]
    assert w.live() == []
    run = w.run()
    assert "cannot be read" in run.why
    assert Outbox.objects.filter(kind="NEEDS_HUMAN").count() == 1
    services.cancel(run_id=run.id, by=ANN, reason="seen to", now=w.now)
    assert w.states() == ["CANCELLED"]


@pytest.mark.django_db
def test_what_has_not_acted_is_suppressed() -> None:
    w = renamed(asking())
    w.tick()
    assert Run.objects.get().state == "SUPPRESSED"
    said = (
        "its runbook as it began with it cannot be read: signals.retries.query: there is no indicator renamed"
    )
    assert Run.objects.get().why == said


@pytest.mark.django_db
def test_the_kill_switch_takes_it_back() -> None:
    w = renamed(holding())
    services.set_kill_switch(on=True, by=ANN, reason="", now=w.now)
    w.tick()
    assert w.live() == []


@pytest.mark.django_db
def test_every_page_stays_and_says_so_and_the_kill_switch_is_on_it() -> None:
    run = renamed(holding()).run().id
    client = Client()
    client.force_login(person(Role.OPERATOR, "oo"))
    for page in (each.format(run=run) for each in PAGES):
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert "Stop them" in answer.content.decode(), page
    said = client.get(f"/runs/{run}/").content.decode()
    assert "there is no indicator renamed" in said
    headers = bearer(Role.VIEWER)
    for address in ("/api/v1/runs", f"/api/v1/runs/{run}"):
        assert client.get(address, headers=headers).status_code == 200, address
    row = selectors.run(run)
    assert row is not None
    assert row.steps
    assert row.policy is None


@pytest.mark.django_db
def test_a_setting_that_no_runbook_has_any_more_keeps_the_runbooks_page() -> None:
    world()
    Setting.objects.update(policy={"renamed": 1})
    assert listed.queries("retry-storm", "edge")


def told(**changes: Any) -> list[str]:
    return [place for place, _ in mistakes.of(written(**changes))]


def test_infinity_is_refused_where_it_is_written() -> None:
    endless = float("inf")
    assert told() == []
    assert "thresholds.full" in told(thresholds={"full": endless, "roomy": 0.6})
    assert "over.at_most.float" in told(over={"signal": "used", "at_most": endless})
    assert told(policy={"lookback": endless}) == ["policy.lookback"]
    assert told(policy={"full": endless}) == ["policy.full"]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300, 10**400, f"{10**400}s"])
def test_a_duration_is_finite(value: float | str) -> None:
    with pytest.raises(BadPolicy, match="cooldown is a duration"):
        policy({"cooldown": value})


@pytest.mark.parametrize("value", [float("inf"), date(2026, 1, 1), {1: "a"}])
def test_a_step_says_only_what_a_run_can_keep(value: object) -> None:
    remedies = front()["remedies"]
    step = {"do": "webhook", "url": "http://127.0.0.1/do", "secret": "ops", "body": {"a": value}}
    remedies["tight"]["steps"].append(step)
    assert told(remedies=remedies) == ["remedies.tight.steps[1]"]
