"""Hooks of a rollout, asked over real HTTP: they hold a step, never a rollback, and silence promotes nothing."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from access.domain.roles import Role
from audit.models import Entry
from audit.selectors import entries
from canary import hooked, services, webhooks
from canary.domain.errors import Refused
from canary.models import HookCall
from canary.services import hooking
from lab.hooks import Hook
from tests.canary.factories import ANN, PLAN, World, messages, rollout, state
from tests.support.people import bearer, person
from tests.support.serving import serving

pytestmark = pytest.mark.django_db
SECRET = "what the hooks of the tests know"


class Team(World):
    """A world whose team plays the hook; everything is asked just after each tick."""

    def __init__(self, port: int, team: Hook) -> None:
        super().__init__(per_second=4000)
        self.team, self.url = team, f"http://127.0.0.1:{port}/hook"

    def begin(self, *when: str, **more: Any) -> int:
        hook = {"name": "smoke", "url": self.url, "secret": "ci", "when": when, **more}
        return self.start(plan={**PLAN, "bake": {"seconds": 0}, "hooks": [hook]}, key="build-7")

    def tick(self, at: float = 0.95) -> None:
        super().tick(at)
        self.ask()

    def ask(self) -> int:
        # The signature is checked against the clock on the wall, where the world has its own.
        return services.ask(hooks=Dated(webhooks.from_settings()), now=self.now)


class Dated:
    """The real hooks, with the wall's time in the signature."""

    def __init__(self, real: webhooks.WebHooks) -> None:
        self.real = real

    def ask(self, *args: Any, **more: Any) -> Any:
        return self.real.ask(*args, **{**more, "timestamp": int(time.time())})


@pytest.fixture
def team(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Team]:
    monkeypatch.setenv("SLUICE_HOOK_SECRET_CI", SECRET)
    settings.HOOK_HOSTS = ["127.0.0.1"]
    hook = Hook(SECRET)
    with serving(hook.answered) as port:
        yield Team(port, hook)


def held(world: Team, number: int) -> Callable[[], bool]:
    return lambda: "waiting for what hook smoke says" in rollout(number).problem


def asked(team: Team) -> list[tuple[str, int]]:
    seen = {one["delivery"]: one for one in team.team.questions}
    return [(one["event"], one["step"]["weight"]) for one in seen.values()]


def test_hooks_are_asked_before_and_after_each_step_and_a_rollout_goes_on_as_they_say(team: Team) -> None:
    number = team.begin("before", "after")
    assert (rollout(number).weight, team.split()["shop-v2"]) == (0, 0)
    assert team.run(120, until=lambda: state(number) == "promoted")
    assert asked(team) == [
        ("before_step", 500),
        ("after_step", 500),
        ("before_step", 5000),
        ("after_step", 5000),
        ("before_step", 10000),
        ("after_step", 10000),
    ]
    assert team.team.questions[0]["rollout"]["key"] == "build-7"
    assert len(entries(action="rollout.hook_asked")) == len(entries(action="rollout.hook_allowed")) == 6


def test_a_hook_that_says_wait_holds_the_first_step_until_it_says_go(team: Team) -> None:
    team.team.answer, team.team.reason = "wait", "the migration runs"
    number = team.begin("before")
    assert team.run(10, until=held(team, number))
    team.run(20)
    assert (state(number), rollout(number).weight) == ("running", 0)
    assert "the migration runs" in hooked.hooked(number).questions[0].said
    team.team.answer = "go"
    assert team.run(10, until=lambda: rollout(number).weight == 500)


def test_a_step_that_was_earned_waits_for_its_hook(team: Team) -> None:
    number = team.begin("after")
    team.team.answer = "wait"
    assert team.run(60, until=held(team, number))
    team.run(20)
    assert (state(number), rollout(number).weight) == ("running", 500)
    team.team.answer = "go"
    assert team.run(20, until=lambda: rollout(number).weight == 5000)


def test_a_refusal_asks_a_person_who_may_go_on_and_is_asked_anew_after_a_resume(team: Team) -> None:
    team.team.answer = "go"
    number = team.begin("before")
    assert team.run(20, until=lambda: rollout(number).weight == 500)
    team.team.answer, team.team.reason = "refuse", "smoke test 3 failed"
    assert team.run(60, until=lambda: state(number) == "needs_human")
    assert rollout(number).reason == "hook smoke refuses before 50 %: smoke test 3 failed"
    assert len(messages("NEEDS_HUMAN")) == 1
    assert entries(action="rollout.hook_refused")[0].reason == "smoke test 3 failed"
    team.team.answer = "go"
    services.resume(rollout_id=number, by=ANN, now=team.now)
    assert team.run(60, until=lambda: rollout(number).weight == 5000)


def test_no_answer_promotes_nothing_and_asks_a_person_at_the_deadline(team: Team) -> None:
    team.team.answer = "none"
    number = team.begin("before", deadline=30)
    assert not team.run(29, until=lambda: state(number) != "running")
    assert team.run(5, until=lambda: state(number) == "needs_human")
    assert "did not say go before 5 % within 30 s" in rollout(number).reason
    assert rollout(number).weight == 0
    team.run(1)
    assert 3 < HookCall.objects.get().attempts < 10
    assert len(entries(action="rollout.hook_silent")) == 1


def test_an_approval_by_a_person_is_not_held(team: Team) -> None:
    team.team.answer = "refuse"
    number = team.begin("before")
    assert team.run(10, until=lambda: state(number) == "needs_human")
    services.approve(rollout_id=number, by=ANN, reason="a false alarm", now=team.now)
    assert rollout(number).weight == 500


def test_the_whole_becomes_the_configuration_only_after_its_hook(team: Team) -> None:
    number = team.begin("after")
    assert team.run(60, until=lambda: state(number) == "promoting")
    team.team.answer, team.team.reason = "refuse", "orders are missing"
    assert team.run(20, until=lambda: state(number) == "needs_human")
    assert "refuses after 100 %: orders are missing" in rollout(number).reason
    services.rollback(rollout_id=number, by=ANN, now=team.now)
    assert team.run(5, until=lambda: state(number) == "rolled_back")
    assert team.split() == {"shop-v1": 10000, "shop-v2": 0}


def test_no_hook_stops_a_rollback(team: Team) -> None:
    number = team.begin("before", "after")
    assert team.run(20, until=lambda: rollout(number).weight == 500)
    team.team.answer = "wait"
    team.fails["shop-v2"] = 0.5
    assert team.run(20, until=lambda: state(number) == "rolled_back")
    before = len(team.team.questions)
    team.run(30)
    assert len(team.team.questions) == before
    assert hooked.hooked(number).questions[0].state == "dropped"


def test_a_person_rolls_back_what_a_hook_holds_before_its_first_step(team: Team) -> None:
    team.team.answer = "wait"
    number = team.begin("before")
    team.run(3)
    services.rollback(rollout_id=number, by=ANN, now=team.now)
    assert team.run(5, until=lambda: state(number) == "rolled_back")


def test_the_tick_asks_no_hook_itself(team: Team) -> None:
    team.begin("before")
    World.tick(team)
    assert not team.team.questions
    assert HookCall.objects.get().state == "asking"


def test_a_worker_that_died_while_asking_leaves_the_question_to_the_next(team: Team) -> None:
    team.begin("before")
    World.tick(team)
    HookCall.objects.update(next_at=team.now + timedelta(seconds=15), attempts=1)
    assert team.ask() == 0
    team.now += timedelta(seconds=16)
    assert team.ask() == 1
    assert HookCall.objects.get().state == "allowed"


def test_a_question_is_asked_once_though_two_workers_ask_at_once(team: Team) -> None:
    team.begin("before")
    World.tick(team)
    one, other = HookCall.objects.get(), HookCall.objects.get()
    assert hooking._claim(one, team.now)
    assert not hooking._claim(other, team.now)
    assert team.ask() == 0


def test_hooks_that_hang_hold_one_worker_at_most(team: Team) -> None:
    team.begin("before")
    World.tick(team)
    team.now += timedelta(seconds=1)
    first = HookCall.objects.get()
    assert hooking._claim(first, team.now)
    HookCall.objects.create(**{**fields(first), "rollout": first.rollout, "round": 9, "next_at": team.now})
    assert team.ask() == 0
    team.now += hooking.CLAIM
    assert team.ask() == 2


def test_slow_hooks_of_many_rollouts_are_asked_at_once(team: Team) -> None:
    number = team.begin("before")
    World.tick(team)
    first = HookCall.objects.get()
    more = [HookCall(**{**fields(first), "rollout_id": number, "round": 10 + n}) for n in range(10)]
    HookCall.objects.bulk_create(more)
    team.team.after_seconds, team.now = 0.5, team.now + timedelta(seconds=1)
    began = time.monotonic()
    assert team.ask() == 11
    assert time.monotonic() - began < 3


def fields(call: HookCall) -> dict[str, Any]:
    names = ("hook", "moment", "round", "step", "weight", "asked_at", "next_at", "deadline_at")
    return {name: getattr(call, name) for name in names}


def test_a_hook_that_could_never_be_asked_is_refused_at_the_start(team: Team, settings: Any) -> None:
    settings.HOOK_HOSTS = []
    with pytest.raises(Refused) as caught:
        team.begin("before")
    assert caught.value.field == "plan.hooks.0.url"
    settings.HOOK_HOSTS = ["127.0.0.1"]
    with pytest.raises(Refused) as caught:
        team.begin("before", secret="unknown")
    assert caught.value.field == "plan.hooks.0.secret"


def test_the_secret_stands_nowhere_and_the_page_and_the_api_show_the_questions(
    team: Team, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    team.team.answer, team.team.reason = "refuse", "smoke test 3 failed"
    number = team.begin("before")
    assert team.run(10, until=lambda: state(number) == "needs_human")
    client.force_login(person(Role.VIEWER))
    page = client.get(f"/rollouts/{number}/").content.decode()
    assert "smoke test 3 failed" in page
    assert "refused" in page
    answer = client.get(f"/api/v1/rollouts/{number}/hooks", headers=bearer(Role.OPERATOR)).json()
    assert answer["questions"][0]["state"] == "refused"
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "canary", "audit", "alerts", output=str(dump))
    for text in (page, str(answer), dump.read_text(), caplog.text):
        assert SECRET not in text


def test_a_rollout_without_hooks_asks_the_database_nothing_about_them(
    team: Team, django_assert_num_queries: Any
) -> None:
    row = rollout(team.start(plan={**PLAN}))
    with django_assert_num_queries(0):
        assert hooking.held(row, now=team.now) is None
        hooking.announce(row, obeyed=True, now=team.now)


def test_every_question_has_its_audit_row(team: Team) -> None:
    number = team.begin("before", "after")
    assert team.run(120, until=lambda: state(number) == "promoted")
    told = Entry.objects.filter(action="rollout.hook_asked").values_list("detail__delivery", flat=True)
    assert sorted(told) == sorted(HookCall.objects.values_list("pk", flat=True))


def test_the_query_of_an_address_is_for_the_hook_alone(team: Team, client: Client) -> None:
    team.url += "?token=hush-hush"
    number = team.begin("before")
    assert rollout(number).plan["hooks"][0]["url"].endswith("hush-hush")
    headers = bearer(Role.VIEWER)
    for path in ("", "/export", "/hooks"):
        answer = client.get(f"/api/v1/rollouts/{number}{path}", headers=headers)
        assert answer.status_code == 200
        assert "hush-hush" not in answer.content.decode()
        assert "/hook" in answer.content.decode()
    assert "hush-hush" not in str([entry.detail for entry in Entry.objects.all()])
