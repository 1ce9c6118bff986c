"""What must not go wrong in a rollout: calls for a person, ends, borrowed evidence, flapping scrapes, no data."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

import proxy.selectors
import proxy.services
from alerts.models import Incident
from canary import selectors, services
from canary.domain.errors import Refused
from canary.domain.states import WrongState
from canary.models import Rollout
from canary.services import moving
from telemetry.domain.errors import MetricsUnavailable
from tests.canary.factories import ANN, PLAN, World, messages, rollout, state
from tests.proxy.factories import document

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def fail_one(world: World) -> None:
    """A rollout from its start to its end as a failed one."""
    number = world.start()
    world.run(5)
    world.fails["shop-v2"] = 0.5
    assert world.run(60, until=lambda: state(number) == "rolled_back")
    world.fails["shop-v2"] = 0.0


def test_an_incident_ends_with_the_rollback_and_the_next_failure_is_one_of_its_own(world: World) -> None:
    fail_one(world)
    assert Incident.objects.get().state == "RESOLVED"
    assert "read back from edge-1, edge-2" in str(messages("RESOLVED")[0].payload)
    world.now += timedelta(days=5)
    fail_one(world)
    assert [one.state for one in Incident.objects.all()] == ["RESOLVED"] * 2
    assert (len(messages()), len(messages("RESOLVED"))) == (2, 2)


def test_what_a_canary_did_while_it_waited_for_approval_earns_no_further_step(world: World) -> None:
    number = world.start(
        mode="approve",
        plan={"steps": [500, 2500, 5000], "warm_up": 3, "push_deadline": 5, "longest_stay": 9000},
    )
    assert world.run(600, until=lambda: state(number) == "awaiting_approval")
    world.run(120)
    services.approve(rollout_id=number, by=ANN, now=world.now)
    assert not world.run(20, until=lambda: state(number) == "awaiting_approval")
    step = rollout(number).evidence["family"]["first_attempt"]["step"]
    assert 0 < step["n_c"] <= 20 * world.per_second * 0.25 * 2


def test_a_tick_at_the_weights_before_earns_nothing_and_can_still_fail(world: World) -> None:
    number = world.start(mode="approve", plan={**PLAN, "push_deadline": 30})
    world.run(5)
    Rollout.objects.filter(pk=number).update(state="awaiting_approval")
    services.approve(rollout_id=number, by=ANN, now=world.now)
    world.obeys = False
    world.run(3)
    judged = rollout(number).evidence["family"]["first_attempt"]
    assert judged["counts"]["n_c"] > 0
    assert judged["step"]["n_c"] == 0
    world.fails["shop-v2"] = 0.5
    assert world.run(8, until=lambda: state(number) == "rolling_back")


def lose_overlay(world: World) -> None:
    """Every worker is dead for longer than the lease."""
    world.works = False
    world.now += timedelta(seconds=200)
    proxy.services.expire(now=world.now)
    world.serve()
    world.works = True
    world.run(2)


def test_a_person_is_called_each_time_the_overlay_is_lost(world: World) -> None:
    number = world.start(plan={"steps": [500], "warm_up": 0, "longest_stay": 9000}, mode="approve")
    world.run(3)
    lose_overlay(world)
    services.resume(rollout_id=number, by=ANN, now=world.now)
    world.run(3)
    lose_overlay(world)
    assert state(number) == "needs_human"
    assert len(messages("NEEDS_HUMAN")) == 2


@pytest.mark.parametrize("prometheus", [True, False])
def test_a_person_is_called_when_nothing_was_measured_for_the_longest_stay(
    world: World, prometheus: bool
) -> None:
    number = world.start(plan={"steps": [500], "warm_up": 0, "longest_stay": 60}, mode="auto")
    world.run(5)
    world.scraped = False
    world.metrics.fail(None if prometheus else MetricsUnavailable("connection refused"))
    world.run(100)
    row = rollout(number)
    assert (row.state, row.weight) == ("needs_human", 500)
    assert row.no_data_since is not None
    assert "undecided after 60 s at this weight: " in row.reason
    assert len(messages("NEEDS_HUMAN")) == 1


def test_a_scrape_that_flaps_blinds_nobody(world: World) -> None:
    number = world.start()
    world.run(5)
    world.fails["shop-v2"] = 0.5
    world.scraped = False
    for second in range(20):
        world.now += timedelta(seconds=1)
        world.serve()
        world.scrape(missed=["edge-2"] if second % 2 else [])
        world.tick()
    assert state(number) in ("rolling_back", "rolled_back")
    assert "no complete scrape of edge-2" in selectors.rollout(number).dropped


def without(upstream: str) -> dict[str, Any]:
    """The declaration after somebody removed the upstream from it."""
    declared = document()
    tier = declared["tiers"][0]
    tier["upstreams"] = [one for one in tier["upstreams"] if one["name"] != upstream]
    for route in tier["routes"]:
        route.get("split", {}).pop(upstream, None)
    return declared


def test_a_canary_whose_upstream_is_gone_can_be_rolled_back(world: World) -> None:
    number = world.start(plan={"steps": [500], "warm_up": 0, "longest_stay": 9000}, mode="approve")
    world.run(3)
    lose_overlay(world)
    proxy.services.apply(document=without("shop-v2"), by=ANN, reason="removed", now=world.now)
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    assert world.run(3, until=lambda: state(number) == "rolled_back")


def test_a_canary_whose_weights_somebody_else_took_over_can_be_rolled_back(world: World) -> None:
    number = world.start(plan={"steps": [500], "warm_up": 0, "longest_stay": 9000}, mode="approve")
    world.run(3)
    lose_overlay(world)
    held: dict[str, Any] = {"tier": "edge", "target": "route/shop/weights", "owner": "run/1", "by": ANN}
    proxy.services.lease(**held, until=world.now + timedelta(minutes=9), now=world.now)
    with pytest.raises(Refused):
        services.resume(rollout_id=number, by=ANN, now=world.now)
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    assert world.run(3, until=lambda: state(number) == "rolled_back")


def test_what_the_tier_refuses_of_a_person_names_the_route(world: World) -> None:
    number = world.start(plan={"steps": [500], "warm_up": 0, "longest_stay": 9000}, mode="approve")
    world.run(3)
    lose_overlay(world)
    proxy.services.apply(document=without("shop-v2"), by=ANN, reason="removed", now=world.now)
    with pytest.raises(Refused) as caught:
        services.resume(rollout_id=number, by=ANN, now=world.now)
    assert caught.value.field == "route"
    assert state(number) == "needs_human"


def test_a_rollback_that_a_proxy_will_never_obey_is_closed_by_a_person(world: World) -> None:
    number = world.start()
    world.run(5)
    world.fails["shop-v2"] = 0.5
    assert world.run(60, until=lambda: state(number) == "rolling_back")
    world.obeys = False
    world.run(150)
    shown = selectors.rollout(number).actions
    assert [(row.action, "not read back from edge-1, edge-2" in row.words) for row in shown] == [
        ("close", True)
    ]
    services.close(rollout_id=number, by=ANN, reason="edge-2 burnt down", now=world.now)
    assert state(number) == "rolled_back"
    assert not proxy.selectors.live_overlays("edge", now=world.now)
    assert Incident.objects.get().state == "RESOLVED"
    assert "read back from no proxy and then closed by ann: edge-2 burnt down" in str(
        messages("RESOLVED")[0].payload
    )
    assert world.start() > number


def test_only_a_rollback_can_be_closed(world: World) -> None:
    number = world.start()
    with pytest.raises(WrongState):
        services.close(rollout_id=number, by=ANN, now=world.now)


@pytest.mark.parametrize(
    "plan",
    [
        {"longest_stay": float("inf")},
        {"warm_up": float("nan")},
        {"push_deadline": 1e300},
        {"push_deadline": 301},
        {"alpha": float("nan")},
        {"negligible": float("inf")},
    ],
)
def test_a_plan_without_end_is_refused_by_its_field(world: World, plan: dict[str, float]) -> None:
    with pytest.raises(Refused) as caught:
        world.start(plan=plan)
    assert caught.value.field == f"plan.{next(iter(plan))}"


def test_a_step_that_nobody_obeyed_yet_is_not_obeyed_by_resuming(world: World) -> None:
    number = world.start(plan={**PLAN, "push_deadline": 60}, mode="approve")
    world.obeys = False
    world.run(2)
    services.pause(rollout_id=number, by=ANN, now=world.now)
    services.resume(rollout_id=number, by=ANN, now=world.now)
    assert rollout(number).steps.get(ended_at=None).obeyed_at is None


def test_the_headline_is_what_was_measured_and_the_persons_reason_stands_apart(world: World) -> None:
    number = world.start(reason="version 2 is faster")
    world.run(12)
    row = selectors.rollout(number).row
    assert row.stated_reason == "version 2 is faster"
    assert row.summary.startswith("No verdict yet: shop-v2 fails 0 of ")
    assert "more requests without a failure earn the next step" in row.summary
    assert selectors.rollouts()[0] == row
    world.fails["shop-v2"] = 0.5
    assert world.run(30, until=lambda: state(number) == "rolled_back")
    ended = selectors.rollout(number).row
    assert ended.summary == f"Rolled back: {ended.reason}"
    assert ended.stated_reason == "version 2 is faster"
    assert selectors.rollouts()[0] == ended


def test_evidence_of_rollouts_that_ended_long_ago_is_forgotten(world: World) -> None:
    old = world.start()
    world.run(10)
    services.rollback(rollout_id=old, by=ANN, now=world.now)
    assert world.run(5, until=lambda: state(old) == "rolled_back")
    world.now += timedelta(days=13)
    assert services.prune(now=world.now) == 0
    new = world.start()
    world.run(10)
    world.now += timedelta(days=2)
    assert services.prune(now=world.now) > 0
    assert not selectors.evidence(old)
    assert selectors.evidence(new)
    assert rollout(old).steps.count() == 1


def test_a_canary_is_judged_while_a_dead_proxy_keeps_its_way_back_from_being_acknowledged(
    world: World,
) -> None:
    number = world.start(mode="approve")
    world.run(5)
    Rollout.objects.filter(pk=number).update(state="awaiting_approval")
    services.approve(rollout_id=number, by=ANN, now=world.now)
    world.obeys = False
    assert world.run(15, until=lambda: state(number) == "needs_human")
    assert (rollout(number).step, rollout(number).weight, rollout(number).push["acked_at"]) == (0, 500, None)
    world.fails["shop-v2"] = 1.0
    assert world.run(30, until=lambda: state(number) == "rolling_back")


def test_a_step_after_one_that_not_all_obey_goes_back_to_what_all_obeyed(world: World) -> None:
    number = world.start(plan={**PLAN, "steps": [500, 2500, 5000]}, mode="approve")
    world.run(5)
    world.obeys = False
    for _ in range(2):
        services.skip(rollout_id=number, by=ANN, reason="known good", now=world.now)
    assert rollout(number).push["before"] == 500
    world.run(15, until=lambda: state(number) == "needs_human")
    assert (rollout(number).step, world.split()["shop-v2"]) == (0, 500)


def test_a_step_is_left_only_under_the_rollout_s_lock(world: World) -> None:
    """The tick would hold the step and wait for the rollout, and a person the other way round."""
    number = world.start()
    world.run(3)
    stale = rollout(number)
    services.pause(rollout_id=number, by=ANN, now=world.now)
    with pytest.raises(moving.Overtaken), transaction.atomic():
        moving.leave_step(stale, verdict="pass", reason="", now=world.now)
    assert rollout(number).steps.filter(ended_at=None).exists()
