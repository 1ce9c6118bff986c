"""The page that starts a rollout: what can be chosen, what is written as YAML, and what is shown before it starts."""

from html import unescape
from typing import Any

import pytest
import yaml
from django.test import Client

import proxy.services
from access.domain.roles import Role
from canary.domain import declared
from canary.models import Rollout
from tests.canary.factories import ANN, World
from tests.proxy.factories import document
from tests.support.people import person

pytestmark = pytest.mark.django_db
GIVEN = {"route": "shop", "upstream": "shop-v2", "steps": "5, 50", "mode": "auto", "reason": "faster"}


@pytest.fixture
def operator(client: Client) -> Client:
    World()
    client.force_login(person(Role.OPERATOR))
    return client


def sent(client: Client, **more: str) -> Any:
    return client.post("/rollouts/start/", {**GIVEN, **more})


def started(client: Client, **more: str) -> dict[str, Any]:
    """The plan of what was started."""
    assert sent(client, **more, key="web-1").status_code == 302
    plan: dict[str, Any] = Rollout.objects.get().plan
    return plan


@pytest.mark.parametrize(
    ("judged_by", "metrics"),
    [
        ("", [("first_attempt", "roll_back"), ("final", "roll_back")]),
        ("errors", [("first_attempt", "roll_back"), ("final", "roll_back")]),
        ("latency", [("first_attempt", "roll_back"), ("final", "roll_back"), ("total_latency", "roll_back")]),
        (
            "latency_pauses",
            [("first_attempt", "roll_back"), ("final", "roll_back"), ("total_latency", "pause")],
        ),
    ],
)
def test_what_it_is_judged_by_can_be_chosen(
    operator: Client, judged_by: str, metrics: list[tuple[str, str]]
) -> None:
    plan = started(operator, judged_by=judged_by)
    assert [(one["name"], one["action"]) for one in plan["metrics"]] == metrics


def test_more_of_the_plan_is_written_as_yaml(operator: Client) -> None:
    plan = started(operator, more="longest_stay: 900\ncapacity: {measured: hold}\n")
    assert (plan["longest_stay"], plan["capacity"]["measured"]) == (900.0, "hold")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("longest_stay: -1", "longest_stay: Input should be greater than 0"),
        ("stepz: [1]", "stepz: Extra inputs are not permitted"),
        ("steps: [1]", "steps: a field above says it already"),
        ("longest_stay: [", "not YAML"),
        ("- 1", "write keys of a plan with their values"),
        ("a: 1\na: 2", "the key 'a' stands twice"),
        ("hooks: [{name: smoke, url: 'http://10.0.0.8/', secret: ci}]", "hooks.0.url: 10.0.0.8"),
        ("mirror: {share: 0}", "mirror.share: "),
    ],
)
def test_what_is_wrong_in_the_yaml_is_said_beside_it_with_its_path(
    operator: Client, more: str, said: str
) -> None:
    form = sent(operator, more=more).context["form"]
    assert said in " ".join(form.errors["more"]), form.errors
    assert not Rollout.objects.exists()


def test_what_a_field_says_is_not_said_twice(operator: Client) -> None:
    assert "metrics: a field above" in str(
        sent(operator, judged_by="latency", more="metrics: [{name: first_attempt}]").context["form"].errors
    )
    plan = started(operator, more="metrics: [{name: first_attempt}]\nbake: {seconds: 60, warm: 50}")
    assert (len(plan["metrics"]), plan["bake"]) == (1, {"seconds": 60.0, "warm": 50})


def test_what_is_shown_before_the_start_is_a_dry_run_and_the_same_as_a_file(operator: Client) -> None:
    answer = sent(operator, judged_by="latency_pauses", more="longest_stay: 900")
    shown = unescape(answer.content.decode())
    assert "a dry run: nothing is changed yet" in shown
    assert "First attempts, After retries, Whole latency (only pauses)" in shown
    assert not Rollout.objects.exists()
    file = declared.rollout(yaml.safe_load(answer.context["file"]))
    plan = started(operator, judged_by="latency_pauses", more="longest_stay: 900")
    assert (file.route, file.upstream, file.mode, file.reason) == ("shop", "shop-v2", "auto", "faster")
    assert file.plan == {
        "steps": [500, 5000, 10000],
        "longest_stay": 900,
        "metrics": [
            {"name": "first_attempt"},
            {"name": "final"},
            {"name": "total_latency", "action": "pause"},
        ],
    }
    assert plan["longest_stay"] == file.plan["longest_stay"]
    assert answer.context["file"] in shown


def test_a_freeze_is_shown_with_the_way_out_of_it(operator: Client) -> None:
    window = {"begins": "2020-01-01T00:00:00Z", "ends": "2120-01-01T00:00:00Z", "why": "for good"}
    frozen = document(freeze=[window])
    proxy.services.apply(document=frozen, by=ANN, reason="a freeze", now=World().now)
    shown = unescape(sent(operator).content.decode())
    assert "It would be refused now." in shown
    assert "by a window of the tier (for good); wait, or change the tier's freeze" in shown
    assert 'href="/tiers/edge/"' in shown


def test_what_refuses_the_start_is_said_beside_its_field(operator: Client) -> None:
    World().start()
    assert "shop has rollout" in str(sent(operator).context["form"].errors["route"])
