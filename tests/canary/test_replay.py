"""A rollout is judged again from what is kept of it, and comes to the same; all of it can be taken away."""

import json
from collections.abc import Mapping
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from access.domain.roles import Role
from canary import replays, services
from canary.domain import family, kept
from canary.domain.replay import replay
from canary.models import Observation
from tests.canary.factories import ANN, World, rollout, state
from tests.support.people import bearer, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World(per_second=4000)


def failed(world: World) -> int:
    """A rollout that earned a step and was rolled back at the next one."""
    number = world.start()
    world.run(200, until=lambda: rollout(number).step == 1)
    world.fails["shop-v2"] = 0.02
    assert world.run(60, until=lambda: state(number) == "rolled_back")
    assert rollout(number).step == 1
    return number


def last_figures(number: int) -> Mapping[str, Any]:
    return Observation.objects.filter(rollout=number).order_by("at").last().figures  # type: ignore[union-attr]


def test_a_rolled_back_rollout_comes_to_the_same_verdict_with_the_same_e(world: World) -> None:
    number = failed(world)
    again = replays.replay(number)
    assert (again.same, again.whole, again.differing) == (True, True, 0)
    assert (again.verdict, again.reason) == ("fail", rollout(number).reason)
    assert again.until == rollout(number).evidence_at
    recorded = last_figures(number)["first_attempt"]
    row = next(row for row in again.metrics if row.metric == "first_attempt")
    assert (row.replayed_e_fail, row.replayed_e_pass) == (
        float(recorded["e_fail"]),
        float(recorded["e_pass"]),
    )
    assert len(again.passed_at) == 1


def test_a_promoted_rollout_and_a_live_one_are_judged_again_too(world: World) -> None:
    number = world.start()
    world.run(20)
    assert replays.replay(number).same
    world.run(300, until=lambda: state(number) == "promoted")
    again = replays.replay(number)
    assert (again.same, again.whole, len(again.passed_at)) == (True, True, 2)


def test_the_evidence_that_judging_again_ends_with_is_that_which_the_rollout_has(world: World) -> None:
    number = world.start(plan={"steps": [500], "warm_up": 0, "negligible": None})
    world.run(20)
    rows = Observation.objects.filter(rollout=number).order_by("at")
    limits = services.moving.plan_of(rollout(number)).limits()
    again = replay([replays._kept(one) for one in rows], limits, canary="shop-v2", control="the control")
    assert family.dump(again.evidence) == family.dump(family.load(rollout(number).evidence["family"]))


def test_counts_are_kept_by_proxy_since_proxies_are_strata(world: World) -> None:
    number = world.start()
    world.run(10)
    tick = Observation.objects.filter(rollout=number).order_by("at").last().tick  # type: ignore[union-attr]
    assert sorted(tick["first_attempt"]) == ["edge-1", "edge-2"]
    assert len(tick["first_attempt"]["edge-1"]) == 4


def test_a_count_that_was_changed_is_found_and_named(world: World) -> None:
    number = failed(world)
    one = Observation.objects.filter(rollout=number).order_by("at")[5]
    one.tick["first_attempt"]["edge-1"][1] += 3
    one.save()
    again = replays.replay(number)
    assert not again.same
    assert again.differences[0].at == one.at
    assert again.differences[0].figure.startswith("first_attempt.")
    with pytest.raises(CommandError, match="figures came out otherwise") as caught:
        call_command("judge", "--rollout", str(number), stdout=StringIO())
    assert caught.value.returncode == 1


def test_what_is_left_is_judged_again_from_evidence_that_was_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "CHECKPOINT_EVERY", 5)
    number = failed(world)
    first = Observation.objects.filter(rollout=number).order_by("at")[:3]
    Observation.objects.filter(pk__in=[one.pk for one in first]).delete()
    again = replays.replay(number)
    assert (again.same, again.whole, again.verdict) == (True, False, "fail")
    assert again.reason == rollout(number).reason


def test_a_page_judges_only_the_newest_ticks_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "CHECKPOINT_EVERY", 5)
    number = failed(world)
    few = replays.replay(number, newest=7)
    assert 7 <= few.ticks <= 12
    assert (few.same, few.whole, few.verdict) == (True, False, "fail")
    assert replays.replay(number, newest=100_000).whole


def test_judging_again_takes_as_many_queries_for_ten_ticks_as_for_a_hundred(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    number = world.start(plan={"steps": [500], "warm_up": 0, "negligible": None})
    for seconds in (10, 90):
        world.run(seconds)
        with django_assert_num_queries(2):
            replays.replay(number)


def test_the_command_prints_the_verdict(world: World) -> None:
    number, out = failed(world), StringIO()
    call_command("judge", "--rollout", str(number), stdout=out)
    said = json.loads(out.getvalue())
    assert (said["verdict"], said["same"], said["reason"]) == ("fail", True, rollout(number).reason)


@pytest.mark.parametrize("judged", [False, True])
def test_where_nothing_is_kept_it_is_said(world: World, client: Client, judged: bool) -> None:
    number = world.start() if judged else 99
    with pytest.raises(CommandError) as caught:
        call_command("judge", "--rollout", str(number))
    assert caught.value.returncode == 2
    answer = client.get(f"/api/v1/rollouts/{number}/replay", headers=bearer(Role.VIEWER))
    assert answer.status_code == 404
    assert str(number) in answer.json()["detail"]
    client.force_login(person(Role.VIEWER, "eve"))
    assert client.get(f"/rollouts/{number}/replay/").status_code == (200 if judged else 404)


def test_everything_of_a_rollout_is_exported_with_who_did_what(world: World, client: Client) -> None:
    number = world.start(reason="version 2 is faster")
    world.run(5)
    services.pause(rollout_id=number, by=ANN, reason="lunch", now=world.now)
    world.run(5)
    services.rollback(rollout_id=number, by=ANN, reason="enough", now=world.now)
    world.run(3)
    found = client.get(f"/api/v1/rollouts/{number}/export", headers=bearer(Role.VIEWER)).json()
    assert [(one["action"], one["actor"]) for one in found["transitions"]] == [
        ("rollout.started", "ann"),
        ("rollout.paused", "ann"),
        ("rollout.rolling_back", "ann"),
        ("rollout.rolled_back", "judge"),
    ]
    assert found["plan"]["steps"] == [500, 5000, 10000]
    assert {"metrics", "ladder", "proxies", "times", "promise", "queries", "base"} <= found.keys()
    assert len(found["evidence"]) == Observation.objects.count()
    tick = found["evidence"][-1]
    assert {"edge-1", "edge-2"} == tick["counted"]["first_attempt"].keys()
    assert {"e_fail", "e_pass", "phi", "odds"} <= tick["found"]["first_attempt"].keys()
    assert {"fail_limit", "pass_limit"} <= found["metrics"][0].keys()


def test_the_page_of_a_rollout_leads_to_both(world: World, client: Client) -> None:
    number = failed(world)
    client.force_login(person(Role.VIEWER))
    shown = client.get(f"/rollouts/{number}/").content.decode()
    assert f'href="/rollouts/{number}/replay/"' in shown
    assert "each came to the same verdict" in client.get(f"/rollouts/{number}/replay/").content.decode()
    taken = client.get(f"/rollouts/{number}/export.json")
    assert taken.json()["rollout"]["state"] == "rolled_back"
    assert f"rollout-{number}.json" in taken["Content-Disposition"]
