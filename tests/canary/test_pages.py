"""What a rollout's page and its API say, and what a person can do there."""

from typing import Any

import pytest
from django.test import Client

import proxy.services
from access.domain.roles import Role
from canary import services
from canary.models import Rollout
from tests.canary.factories import ANN, World, state
from tests.proxy.factories import declaration, document
from tests.support.people import bearer, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(person(Role.OPERATOR))
    return client


def page(client: Client, number: int) -> str:
    answer = client.get(f"/rollouts/{number}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_headline_is_what_was_measured_and_the_reason_given_stands_below(
    world: World, operator: Client
) -> None:
    number = world.start(reason="version 2 is faster")
    world.run(10)
    shown = page(operator, number)
    assert "<strong>No verdict yet: shop-v2 fails 0 of " in shown
    assert "<dt>Reason given</dt><dd>version 2 is faster</dd>" in shown
    assert "<strong>version 2 is faster" not in shown


def test_what_was_left_out_is_counted_by_what_lacked(world: World, operator: Client) -> None:
    number = world.start()
    world.run(5)
    world.scraped = False
    world.run(1)
    world.scrape(missed=["edge-2"])
    world.scraped = True
    world.run(5)
    assert "1 tick: no complete scrape of edge-2" in page(operator, number)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("NaN,100", "Write percents with commas between"),
        ("Infinity", "Write percents with commas between"),
        ("5, 1e400", "Write percents with commas between"),
        ("5, 2000", "Each step is above 0 and at most 100 percent."),
        ("100", "Begin with a step from 0.01 to below 100 percent"),
        ("0.001, 50", "Begin with a step from 0.01 to below 100 percent"),
        (",", "Begin with a step from 0.01 to below 100 percent"),
        ("50, 5", "The steps must rise from step to step."),
    ],
)
def test_steps_that_make_no_sense_are_refused_in_percent(
    world: World, operator: Client, steps: str, said: str
) -> None:
    given = {"route": "shop", "upstream": "shop-v2", "mode": "approve", "reason": "try", "steps": steps}
    answer = operator.post("/rollouts/start/", given)
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert "basis points" not in answer.content.decode()


@pytest.mark.parametrize(
    ("route", "offered"), [("shop", ["shop-v2", "payments"]), ("payments", ["", "shop-v1", "shop-v2"])]
)
def test_only_upstreams_without_weight_on_the_route_are_offered_and_one_that_stands_by_first(
    world: World, operator: Client, route: str, offered: list[str]
) -> None:
    form = operator.get(f"/rollouts/start/?route={route}").context["form"]
    assert [value for value, _ in form.fields["upstream"].choices] == offered


def test_a_route_name_of_two_tiers_starts_on_the_one_that_was_chosen(world: World, operator: Client) -> None:
    proxies = [{"name": "eu-1", "http_port": 10090, "https_port": 10453, "admin_port": 19003}]
    two = {"tiers": [*document()["tiers"], declaration(name="eu", proxies=proxies)]}
    proxy.services.apply(document=two, by=ANN, reason="a second tier", now=world.now)
    form = operator.get("/rollouts/start/?route=eu/shop").context["form"]
    assert form["route"].value() == "eu/shop"
    assert {"edge/shop", "eu/shop"} <= {value for value, _ in form.fields["route"].choices}
    given = {"route": "eu/shop", "upstream": "shop-v2", "mode": "approve", "reason": "try", "steps": "5"}
    key = operator.post("/rollouts/start/", given).context["key"]
    operator.post("/rollouts/start/", {**given, "key": key})
    assert Rollout.objects.get().tier == "eu"


def test_a_link_with_the_tier_chooses_the_route(world: World, operator: Client) -> None:
    form = operator.get("/rollouts/start/?route=edge/payments").context["form"]
    assert form["route"].value() == "payments"


def test_the_exact_change_says_what_is_asked_for(world: World, operator: Client) -> None:
    given = {"route": "shop", "upstream": "shop-v2", "mode": "approve", "reason": "try", "steps": "5"}
    page = operator.post("/rollouts/start/", {**given, "approvals": "last"}).content.decode()
    assert "asks only for the last step" in page


def test_the_way_back_from_the_exact_change_keeps_what_was_filled_in(world: World, operator: Client) -> None:
    given = {
        "route": "shop",
        "upstream": "shop-v2",
        "mode": "auto",
        "reason": "new & faster",
        "steps": "1, 50",
    }
    given["more"] = "longest_stay: 900\nhooks: []\n"
    shown = operator.post("/rollouts/start/", {**given, "key": "web-1", "back": "1"})
    form = shown.context["form"]
    assert {name: form[name].value() for name in given} == given
    assert not Rollout.objects.exists()


def test_an_action_without_a_reason_says_so_with_one_full_stop(world: World, operator: Client) -> None:
    number = world.start()
    answer = operator.post(f"/rollouts/{number}/pause/", {"reason": ""}, follow=True)
    assert "reason: This field is required.<" in answer.content.decode()


def test_a_rollback_that_is_not_obeyed_is_closed_on_its_page(world: World, operator: Client) -> None:
    number = world.start()
    world.run(3)
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    world.obeys = False
    world.run(3)
    assert "Close unverified" in page(operator, number)
    operator.post(f"/rollouts/{number}/close/", {"reason": "edge-2 burnt down"})
    assert state(number) == "rolled_back"


def ask(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(
        f"/api/v1/{path}", body, content_type="application/json", headers=bearer(Role.OPERATOR)
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [({"route": True}, "route"), ({"plan": {"push_deadline": 1e300}}, "plan.push_deadline")],
)
def test_the_api_names_the_field_that_makes_no_sense(
    world: World, client: Client, change: dict[str, Any], field: str
) -> None:
    answer = ask(client, "rollouts", {"route": "shop", "upstream": "shop-v2", **change})
    assert answer.status_code == 422
    assert field in answer.content.decode()


def test_the_api_sums_a_rollout_up_and_closes_it(world: World, client: Client) -> None:
    number = world.start(reason="version 2 is faster")
    services.rollback(rollout_id=number, by=ANN, reason="enough", now=world.now)
    answer = ask(client, f"rollouts/{number}/close", {"reason": "edge-2 burnt down"})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["summary"], found["stated_reason"], found["reason"]) == (
        "Rolled back by ann: enough; closed by operator: edge-2 burnt down",
        "version 2 is faster",
        "Rolled back by ann: enough; closed by operator: edge-2 burnt down",
    )


def test_a_start_in_a_freeze_is_a_conflict(world: World, client: Client) -> None:
    window = {"begins": "2020-01-01T00:00:00Z", "ends": "2120-01-01T00:00:00Z", "why": "for good"}
    frozen = {"route": "shop", "upstream": "shop-v2", "plan": {"freeze": [window]}}
    assert ask(client, "rollouts", frozen).status_code == 409


def test_a_skip_to_the_whole_is_a_conflict(world: World, client: Client) -> None:
    number = world.start(plan={"steps": [5000]})
    assert ask(client, f"rollouts/{number}/skip", {"reason": "at once"}).status_code == 409


def test_the_api_takes_each_action_by_the_name_that_it_offers(world: World, client: Client) -> None:
    number, headers = world.start(), bearer(Role.OPERATOR)
    offered = client.get(f"/api/v1/rollouts/{number}", headers=headers).json()["actions"]
    assert "roll_back" in offered
    for action in offered:
        path, body = f"/api/v1/rollouts/{number}/{action}", {"reason": "one by one"}
        answer = client.post(path, body, content_type="application/json", headers=headers)
        assert answer.status_code in (200, 409), action
