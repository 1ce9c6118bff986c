"""The promoting window: judged to its end, waiting for no measurement, and held where its release is paused."""

from datetime import datetime, timedelta
from typing import Any

import pytest

import proxy.revisions
import proxy.selectors
from canary import freezes, releases, selectors, services
from canary.domain.errors import Frozen
from canary.models import Rollout
from telemetry.domain.errors import MetricsUnavailable
from telemetry.domain.series import Series
from telemetry.memory import InMemoryMetrics
from tests.canary.factories import ANN, PLAN, World, messages, rollout, state
from tests.canary.test_releases import PLAN as MEMBERS_PLAN
from tests.canary.test_releases import Fleet, is_

pytestmark = pytest.mark.django_db


class Away(InMemoryMetrics):
    """Prometheus that gives no answer."""

    def raw(self, selector: str, *, window: timedelta, at: datetime) -> tuple[Series, ...]:
        raise MetricsUnavailable("nobody answers")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def half_promoted(world: World, **plan: Any) -> int:
    """A promotion that was pushed, and that no proxy obeys yet: both arms have traffic still."""
    number = world.start(plan={**PLAN, "steps": [5000], "push_deadline": 60, **plan}, mode="approve")
    world.run(5)
    services.promote(rollout_id=number, by=ANN, reason="known good", now=world.now)
    world.obeys = False
    world.run(2)
    assert state(number) == "promoting"
    return number


def test_a_canary_that_turns_bad_while_it_is_promoted_is_rolled_back(world: World) -> None:
    number = half_promoted(world)
    world.fails["shop-v2"] = 0.5
    assert world.run(20, until=lambda: state(number) == "rolling_back")
    assert "shop-v2 fails" in rollout(number).reason
    assert len(messages()) == 1
    world.obeys = True
    assert world.run(10, until=lambda: state(number) == "rolled_back")
    assert world.split()["shop-v2"] == 0
    assert not proxy.selectors.route("edge/shop").split["shop-v2"]


def test_a_healthy_one_is_promoted_though_it_is_judged_meanwhile(world: World) -> None:
    number = half_promoted(world)
    world.run(20)
    assert state(number) == "promoting"
    judged = rollout(number).observations.order_by("-at").first()
    assert judged is not None
    assert judged.at > datetime.fromisoformat(rollout(number).push["at"]).timestamp()
    world.obeys = True
    assert world.run(10, until=lambda: state(number) == "promoted")


def test_no_promotion_waits_for_a_measurement(world: World) -> None:
    number = half_promoted(world)
    world.obeys, world.metrics = True, Away()
    assert world.run(10, until=lambda: state(number) == "promoted")


def test_in_mode_observe_a_failing_promotion_is_told_and_goes_on(world: World) -> None:
    number = world.start(plan={**PLAN, "steps": [5000], "push_deadline": 60}, mode="observe")
    world.run(5)
    services.promote(rollout_id=number, by=ANN, reason="known good", now=world.now)
    world.obeys = False
    world.fails["shop-v2"] = 0.5
    world.run(10)
    assert state(number) == "promoting"
    told = [message.payload["text"] for message in messages("INFO")]
    assert [text for text in told if "is only observed" in text and "it would be rolled back" in text]
    world.obeys = True
    assert world.run(10, until=lambda: state(number) == "promoted")


def test_a_paused_release_ends_no_bake(fleet: Fleet) -> None:
    number = fleet.begin(plan={**MEMBERS_PLAN, "bake": {"seconds": 5}})
    assert fleet.run(200, until=lambda: fleet.states(number)[0] == "baking")
    services.act_on_release(release_id=number, event="pause", by=ANN, reason="lunch", now=fleet.now)
    fleet.run(30)
    assert fleet.states(number) == ["baking", "waiting", "waiting"]
    member = releases.release(number).waves[0].members[0]
    assert member.reason == "baked, but release shop-build-7 is paused (pause by ann: lunch)"
    services.act_on_release(release_id=number, event="resume", by=ANN, now=fleet.now)
    assert fleet.run(30, until=lambda: fleet.states(number)[0] == "promoted")


def test_a_paused_release_makes_no_promotion_the_configuration(fleet: Fleet) -> None:
    number = fleet.begin()
    assert fleet.run(200, until=lambda: fleet.states(number)[0] == "promoting")
    revision = proxy.revisions.revisions("edge")[0].number
    services.act_on_release(release_id=number, event="pause", by=ANN, reason="lunch", now=fleet.now)
    fleet.run(130)
    assert fleet.states(number) == ["promoting", "waiting", "waiting"]
    assert proxy.revisions.revisions("edge")[0].number == revision
    assert fleet.canaries() == [10000, 0, 0]
    services.act_on_release(release_id=number, event="resume", by=ANN, now=fleet.now)
    assert fleet.run(30, until=lambda: fleet.states(number)[0] == "promoted")
    assert fleet.run(300, until=is_(number, "promoted"))


def test_a_failing_member_goes_back_through_the_pause_of_its_release(fleet: Fleet) -> None:
    number = fleet.begin(plan={**MEMBERS_PLAN, "bake": {"seconds": 60}})
    assert fleet.run(200, until=lambda: fleet.states(number)[0] == "baking")
    services.act_on_release(release_id=number, event="pause", by=ANN, reason="lunch", now=fleet.now)
    fleet.broken = {"shop"}
    assert fleet.run(60, until=is_(number, "rolled_back"))


def test_a_person_is_told_that_the_release_holds_its_rollout_and_how_to_go_on(fleet: Fleet) -> None:
    number = fleet.begin(plan={**MEMBERS_PLAN, "bake": {"seconds": 60}})
    assert fleet.run(200, until=lambda: fleet.states(number)[0] == "baking")
    services.act_on_release(release_id=number, event="pause", by=ANN, reason="lunch", now=fleet.now)
    member = Rollout.objects.get()
    with pytest.raises(Frozen, match=r"release shop-build-7 is paused .*resume the release"):
        services.promote(rollout_id=member.pk, by=ANN, now=fleet.now)
    detail = selectors.rollout(member.pk)
    row = detail.row
    hold = freezes.of_rollout(
        row.id, tier=row.tier, route=row.route, state=row.state, plan=detail.plan, now=fleet.now
    )
    assert hold is not None
    assert hold.remedy == "resume the release"
