"""While both arms fail, a canary is neither rolled back nor given more; afterwards it goes on."""

import pytest

from canary.domain.judge import Evidence
from canary.domain.odds import Cell
from canary.domain.trouble import shared
from tests.canary.factories import PLAN, World, rollout, state

pytestmark = pytest.mark.django_db


def test_the_newest_tick_of_every_proxy_is_what_counts() -> None:
    last = {"edge-1": Cell(10, 0, 100, 2), "edge-2": Cell(10, 0, 100, 10)}
    seen = {"first_attempt": Evidence(last=last)}
    assert shared(seen, 0.05) == "6.00% of the control's first attempts fail: no time for a step up"
    assert shared(seen, 0.06) == ""
    assert shared({"first_attempt": Evidence()}, 0.05) == ""


def test_no_step_is_taken_in_an_incident_of_both_arms_and_afterwards_it_goes_on() -> None:
    world = World(per_second=1000)
    world.fails = {"shop-v1": 0.3, "shop-v2": 0.3}
    number = world.start()
    world.run(60)
    assert (state(number), rollout(number).step) == ("running", 0)
    assert "passed, but 30" in rollout(number).problem
    assert "no time for a step up" in rollout(number).problem
    world.fails = {"shop-v1": 0.0, "shop-v2": 0.0}
    assert world.run(5, until=lambda: rollout(number).step == 1)
    assert rollout(number).problem == ""


def test_a_plan_may_put_up_with_more() -> None:
    world = World(per_second=1000)
    world.fails = {"shop-v1": 0.3, "shop-v2": 0.3}
    number = world.start(plan={**PLAN, "hold_above": 0.5})
    assert world.run(60, until=lambda: rollout(number).step == 1)
