"""`manage.py rollout`: what pipelines rely on."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from canary import services
from canary.models import Rollout
from tests.canary.factories import ANN, World, state

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def run(*args: str) -> str:
    out = StringIO()
    call_command("rollout", *args, stdout=out)
    return out.getvalue()


def ends_with(*args: str) -> object:
    with pytest.raises(SystemExit) as caught:
        run(*args)
    return caught.value.code


def test_start_says_what_it_did(world: World) -> None:
    said = run("start", "shop", "shop-v2", "--steps", "1,10", "--by", "ann", "--key", "build-7")
    assert "shop-v2 on edge/shop is running at 1 %" in said
    assert Rollout.objects.get().plan["steps"] == [100, 1000, 10000]


@pytest.mark.parametrize(
    "args",
    [
        ("start", "nowhere", "shop-v2"),
        ("start", "shop", "shop-v9"),
        ("start", "shop", "shop-v2", "--steps", "five"),
        ("start", "shop", "shop-v2", "--plan", "[]"),
        ("approve", "99"),
        ("status", "99"),
    ],
)
def test_what_cannot_be_done_ends_with_2(world: World, args: tuple[str, ...]) -> None:
    assert ends_with(*args) == 2


def test_an_error_names_its_field(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    ends_with("start", "nowhere", "shop-v2")
    assert capsys.readouterr().err.startswith("route: ")


@pytest.mark.parametrize("share", ["NaN", "abc", "inf", "-5", "101", ""])
def test_a_step_that_is_no_percent_is_named(
    world: World, share: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with("start", "shop", "shop-v2", f"--steps=5,{share}") == 2
    said = f"--steps: {share or 'nothing'} is no percent from 0 to 100\n"
    assert capsys.readouterr().err == said
    assert not Rollout.objects.exists()


def test_a_step_too_small_to_be_one_names_the_steps(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_with("start", "shop", "shop-v2", "--steps", "0.001") == 2
    assert capsys.readouterr().err.startswith("plan.steps: ")


def test_status_says_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_with("status", "--help") == 0
    assert "Show where one rollout stands" in capsys.readouterr().out


def test_wait_ends_with_0_when_promoted(world: World) -> None:
    number = world.start(plan={"steps": [5000], "warm_up": 0})
    world.per_second = 4000
    world.run(60, until=lambda: state(number) == "promoted")
    assert ends_with("wait", str(number)) == 0


def test_wait_ends_with_1_when_rolled_back(world: World) -> None:
    number = world.start()
    run("rollback", str(number), "--reason", "enough")
    world.run(5)
    assert ends_with("wait", str(number)) == 1


def test_wait_ends_with_2_when_time_is_over_or_a_person_is_needed(world: World) -> None:
    number = world.start()
    assert ends_with("wait", str(number), "--timeout", "0") == 2
    services.pause(rollout_id=number, by=ANN, now=world.now)
    assert ends_with("wait", str(number)) == 2


def test_status_as_json_has_the_promised_fields(world: World) -> None:
    number = world.start()
    row = json.loads(run("status", str(number), "--json"))
    assert {"id", "route", "upstream", "state", "weight", "reason"} <= row.keys()
    assert len(json.loads(run("status", "--json"))) == 1
