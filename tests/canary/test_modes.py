"""Who takes a step: mode observe moves nothing, approvals last asks once, a dry run only tells."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

import proxy.selectors
from access.domain.roles import Role
from audit.selectors import entries
from canary import selectors, services
from canary.domain.errors import Refused
from canary.models import Rollout
from tests.canary.factories import ANN, PLAN, World, messages, rollout, state
from tests.canary.test_command import run
from tests.support.people import bearer, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World(per_second=4000)


def test_a_failing_canary_is_told_and_not_moved_in_mode_observe(world: World) -> None:
    number = world.start(mode="observe")
    world.fails["shop-v2"] = 0.3
    world.run(60)
    seen = rollout(number)
    assert (seen.state, seen.weight) == ("running", 500)
    assert seen.problem.startswith("it would be rolled back: shop-v2 fails")
    assert not messages("FIRING")
    (told,) = messages("INFO")
    assert "Sluice moves nothing in mode observe. it would be rolled back" in told.payload["text"]


def test_a_healthy_canary_earns_no_step_in_mode_observe_and_nobody_is_asked(world: World) -> None:
    number = world.start(mode="observe", plan={**PLAN, "longest_stay": 20})
    world.run(60)
    assert (state(number), rollout(number).weight) == ("running", 500)
    assert selectors.rollout(number).ladder[0].reason.startswith("it would go up: ")
    assert selectors.rollout(number).row.summary.startswith("Observed, and moved by nobody but people")
    assert not messages("NEEDS_HUMAN")
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    assert world.run(5, until=lambda: state(number) == "rolled_back")


def test_approvals_last_asks_only_before_the_whole(world: World) -> None:
    number = world.start(mode="approve", plan={**PLAN, "approvals": "last"})
    assert world.run(120, until=lambda: state(number) == "awaiting_approval")
    assert rollout(number).weight == 5000
    assert len(messages("APPROVAL")) == 1
    services.approve(rollout_id=number, by=ANN, now=world.now)
    assert world.run(5, until=lambda: state(number) == "promoted")


@pytest.mark.parametrize("mode", ["auto", "observe"])
def test_approvals_without_mode_approve_are_refused(world: World, mode: str) -> None:
    with pytest.raises(Refused, match="take mode approve") as caught:
        world.start(mode=mode, plan={"approvals": "last"})
    assert caught.value.field == "plan.approvals"


def test_a_dry_run_tells_every_split_and_writes_nothing(world: World) -> None:
    generation = proxy.selectors.generation("edge")
    bake = json.dumps({"bake": {"seconds": 60}})
    said = run("start", "shop", "shop-v2", "--steps", "5,50", "--plan", bake, "--dry-run")
    where = "on edge-1, edge-2"
    assert said.splitlines()[:2] == ["Nothing was changed.", "shop-v2 on edge/shop, mode approve"]
    assert f"step at 5 %, {where}: shop-v1 100 %, shop-v2 0 % -> shop-v1 95 %, shop-v2 5 %" in said
    assert f"bake at 99 %, {where}: shop-v1 50 %, shop-v2 50 % -> shop-v1 1 %, shop-v2 99 %" in said
    assert f"promotion at 100 %, {where}: shop-v1 1 %, shop-v2 99 % -> shop-v1 0 %, shop-v2 100 %" in said
    assert "~ " in said
    assert '"longest_stay": 1800.0' in said
    assert (Rollout.objects.count(), proxy.selectors.generation("edge")) == (0, generation)
    assert not entries(action="rollout.")


def test_what_a_dry_run_tells_is_what_a_start_then_does(world: World) -> None:
    asked: dict[str, Any] = {"route": "shop", "upstream": "shop-v2", "plan": PLAN, "mode": "auto"}
    told = services.rehearse(**asked, now=world.now)
    number = world.start(**asked)
    splits = [world.split()]
    while world.run(120, until=lambda: world.split() != splits[-1] or state(number) == "promoted"):
        if state(number) == "promoted":
            break
        splits.append(world.split())
    assert splits == [step.after for step in told.steps]


def test_the_api_has_the_dry_run_the_controls_and_what_holds(world: World, client: Client) -> None:
    headers, world.now = bearer(Role.OPERATOR), timezone.now()
    asked = {"route": "shop", "upstream": "shop-v2", "plan": {"steps": [500, 1000]}, "mode": "auto"}

    def post(path: str, body: dict[str, Any]) -> Any:
        return client.post(f"/api/v1/rollouts{path}", body, content_type="application/json", headers=headers)

    told = post("/dry-run", asked).json()
    assert [step["weight"] for step in told["steps"]] == [500, 1000, 10000]
    assert not Rollout.objects.exists()
    number = post("", asked).json()["id"]
    assert post(f"/{number}/skip", {"reason": ""}).status_code == 422
    assert post(f"/{number}/skip", {"reason": "known", "step": 0}).json()["weight"] == 1000
    assert post(f"/{number}/approve", {"reason": "known", "step": 0}).status_code == 409
    assert post(f"/{number}/retry", {"reason": "again"}).status_code == 409
    assert post(f"/{number}/undo", {"reason": "back"}).status_code == 409
    post(f"/{number}/rollback", {"reason": "enough"})
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    again = post(f"/{number}/retry", {"reason": "again"})
    assert (again.status_code, again.json()["retry_of"]) == (201, number)
    assert (again.json()["frozen"], again.json()["plan"]["steps"]) == ("", [500, 1000, 10000])


def test_the_page_shows_the_new_controls_and_a_press_does_them(world: World, client: Client) -> None:
    client.force_login(person(Role.OPERATOR))
    number = world.start()
    assert "without a PASS of this step" in client.get(f"/rollouts/{number}/").content.decode()
    client.post(f"/rollouts/{number}/skip/", {"reason": "known good", "step": "0"})
    assert rollout(number).weight == 5000
    client.post(f"/rollouts/{number}/skip/", {"reason": "late", "step": "0"})
    shown = client.get(f"/rollouts/{number}/").content.decode()
    assert "somebody was first: the rollout is at 50 % by now" in shown
    client.post(f"/rollouts/{number}/roll_back/", {"reason": "enough"})
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    assert "Try it again" in client.get(f"/rollouts/{number}/").content.decode()
    answer = client.post(f"/rollouts/{number}/retry/", {"reason": "again"})
    newest = Rollout.objects.latest("pk")
    assert answer["location"] == f"/rollouts/{newest.pk}/"
    assert f"/rollouts/{number}/" in client.get(answer["location"]).content.decode()


def test_the_command_skips_retries_and_undoes(world: World) -> None:
    number = str(world.start())
    assert "running at 50 %" in run("skip", number, "--reason", "known good", "--by", "ann")
    run("promote", number)
    assert world.run(8, until=lambda: state(int(number)) == "promoted")
    assert "rolling back" in run("undo", number, "--reason", "memory grows")
    assert world.run(5, until=lambda: state(int(number)) == "rolled_back")
    assert "running at 5 %" in run("retry", number)


def test_the_start_page_shows_every_split_before_it_starts_and_starts_what_it_showed(
    world: World, client: Client
) -> None:
    client.force_login(person(Role.OPERATOR))
    given = {"route": "shop", "upstream": "shop-v2", "steps": "5, 50", "mode": "approve", "reason": "faster"}
    given |= {"approvals": "last", "bake": "5"}
    shown = client.post("/rollouts/start/", given).content.decode()
    assert "Every step's split, on edge-1, edge-2" in shown
    assert "shop-v2 99 %" in shown
    assert not Rollout.objects.exists()
    client.post("/rollouts/start/", {**given, "key": "web-1"})
    plan = Rollout.objects.get().plan
    assert (plan["bake"]["seconds"], plan["approvals"]) == (300.0, "last")


def test_approvals_of_a_mode_that_asks_for_none_are_refused_beside_their_field(
    world: World, client: Client
) -> None:
    client.force_login(person(Role.OPERATOR))
    given = {"route": "shop", "upstream": "shop-v2", "steps": "5, 50", "mode": "auto", "reason": "faster"}
    shown = client.post("/rollouts/start/", {**given, "approvals": "last"}).content.decode()
    assert "Only mode approve asks for approval." in shown
