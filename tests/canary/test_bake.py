"""After the last step the old arm stays warm for a while, and the canary can still be taken back."""

from typing import Any

import pytest

import proxy.selectors
import proxy.services
from audit.selectors import entries
from canary import selectors, services
from canary.domain.errors import Refused
from telemetry.domain.errors import MetricsUnavailable
from tests.canary.factories import ANN, World, messages, rollout, state

pytestmark = pytest.mark.django_db
BAKING: dict[str, Any] = {
    "steps": [5000],
    "warm_up": 0,
    "push_deadline": 5,
    "longest_stay": 60,
    "bake": {"seconds": 30, "warm": 1000},
}


@pytest.fixture
def world() -> World:
    return World(per_second=4000)


def baking(world: World, **changes: Any) -> int:
    number = world.start(plan={**BAKING, **changes})
    assert world.run(60, until=lambda: state(number) == "baking")
    return number


def test_the_old_arm_keeps_a_little_and_the_base_is_not_touched_while_it_bakes(world: World) -> None:
    number = baking(world)
    assert world.split() == {"shop-v1": 1000, "shop-v2": 9000}
    assert proxy.selectors.route("shop").split == {"shop-v1": 10000, "shop-v2": 0}
    assert selectors.rollout(number).bake_ends_at is not None
    assert [step.weight for step in selectors.rollout(number).ladder] == [5000, 9000, 10000]
    assert selectors.rollout(number).row.summary.startswith("Baking, and still judged: shop-v2 fails 0 of")
    assert "bakes on shop for 30 s" in messages("INFO")[0].payload["text"]


def test_it_is_promoted_when_it_has_baked_and_not_before(world: World) -> None:
    number = baking(world)
    world.run(25)
    assert state(number) == "baking"
    assert world.run(15, until=lambda: state(number) == "promoted")
    assert proxy.selectors.route("shop").split == {"shop-v1": 0, "shop-v2": 10000}
    assert [step.verdict for step in selectors.rollout(number).ladder] == ["pass", "baked", "promoted"]
    assert "it baked for 30 s and did not fail" in rollout(number).reason
    assert not proxy.selectors.live_overlays("edge", now=world.now)


def test_what_begins_to_fail_while_it_bakes_is_rolled_back_by_one_change_of_weights(world: World) -> None:
    number = baking(world)
    world.fails["shop-v2"] = 0.1
    assert world.run(20, until=lambda: state(number) == "rolled_back")
    assert world.split() == {"shop-v1": 10000, "shop-v2": 0}
    assert len(messages()) == 1
    assert proxy.selectors.route("shop").split == {"shop-v1": 10000, "shop-v2": 0}


def test_a_fault_that_both_arms_share_fails_nothing_in_a_bake(world: World) -> None:
    number = baking(world)
    world.fails = {"shop-v1": 0.2, "shop-v2": 0.2}
    assert world.run(40, until=lambda: state(number) == "promoted")


def test_a_person_rolls_back_or_ends_a_bake(world: World) -> None:
    number = baking(world)
    assert [action.action for action in selectors.rollout(number).actions] == ["promote", "roll_back"]
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    again = baking(world)
    services.promote(rollout_id=again, by=ANN, reason="known good", now=world.now)
    assert world.run(5, until=lambda: state(again) == "promoted")
    assert rollout(again).reason == "Promoted by ann: known good"


def test_a_person_s_promotion_bakes_too(world: World) -> None:
    number = world.start(plan=BAKING)
    world.run(2)
    services.promote(rollout_id=number, by=ANN, now=world.now)
    assert world.run(5, until=lambda: state(number) == "baking")
    assert world.run(40, until=lambda: state(number) == "promoted")
    assert entries(action="rollout.promoted")[0].actor == "judge"
    assert rollout(number).reason.startswith("Promoted by ann; it baked")


def test_a_bake_in_which_the_old_arm_answered_nothing_does_not_end_and_asks_once(world: World) -> None:
    number = baking(world)
    world.scraped = False
    world.run(120)
    assert state(number) == "baking"
    assert "nothing" in rollout(number).problem or "no request" in rollout(number).problem
    assert len(messages("NEEDS_HUMAN")) == 1
    world.scraped = True
    assert world.run(20, until=lambda: state(number) == "promoted")


def test_a_bake_without_prometheus_does_not_end_and_asks_once(world: World) -> None:
    number = baking(world)
    world.metrics.fail(MetricsUnavailable("connection refused"))
    world.run(120)
    assert state(number) == "baking"
    (asked,) = messages("NEEDS_HUMAN")
    assert "the bake does not end: Prometheus gave no answer" in asked.payload["text"]


def test_without_a_warm_arm_it_bakes_with_nothing_to_compare_with_and_says_so(world: World) -> None:
    number = baking(world, bake={"seconds": 10, "warm": 0})
    assert world.split() == {"shop-v1": 0, "shop-v2": 10000}
    assert "nothing is left to judge it against" in messages("INFO")[0].payload["text"]
    assert world.run(20, until=lambda: state(number) == "promoted")
    assert "baked for 10 s with nothing to compare with" in rollout(number).reason


def test_a_bake_that_loses_its_overlay_asks_a_person(world: World) -> None:
    number = baking(world, bake={"seconds": 600, "warm": 1000})
    world.works = False
    world.run(130)
    proxy.services.expire(now=world.now)
    world.works = True
    assert world.run(3, until=lambda: state(number) == "needs_human")
    assert world.split() == {"shop-v1": 10000, "shop-v2": 0}
    services.resume(rollout_id=number, by=ANN, now=world.now)
    assert world.split()["shop-v2"] == 5000


def test_a_warm_share_that_leaves_no_last_step_is_refused_by_its_path(world: World) -> None:
    with pytest.raises(Refused, match="at most 999") as caught:
        world.start(plan={"steps": [9000], "bake": {"seconds": 10, "warm": 1000}})
    assert caught.value.field == "plan.bake.warm"


def test_a_bake_in_which_a_metric_that_pauses_failed_is_ended_by_a_person_alone(world: World) -> None:
    world.slow = {"shop-v1": 0.02, "shop-v2": 0.02}
    metrics = [{"name": "first_attempt"}, {"name": "total_latency", "action": "pause"}]
    number = baking(world, metrics=metrics)
    world.slow["shop-v2"] = 0.3
    world.run(10)
    world.slow["shop-v2"] = 0.02
    world.run(90)
    assert (state(number), world.split()["shop-v2"]) == ("baking", 9000)
    assert rollout(number).problem == "baked, but total_latency failed meanwhile"
    (asked,) = messages("NEEDS_HUMAN")
    assert "total_latency failed while it baked" in asked.payload["text"]
    services.promote(rollout_id=number, by=ANN, reason="known", now=world.now)
    assert world.run(10, until=lambda: state(number) == "promoted")


def test_an_observed_bake_that_failed_is_ended_by_a_person_alone(world: World) -> None:
    number = world.start(plan=BAKING, mode="observe")
    world.run(2)
    services.promote(rollout_id=number, by=ANN, now=world.now)
    assert world.run(5, until=lambda: state(number) == "baking")
    world.fails["shop-v2"] = 0.05
    assert world.run(20, until=lambda: "would be rolled back" in rollout(number).problem)
    world.fails["shop-v2"] = 0.0
    world.run(180)
    assert (state(number), world.split()["shop-v2"]) == ("baking", 9000)
    assert "failed meanwhile" in rollout(number).problem
