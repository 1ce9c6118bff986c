"""A rollout from start to its end: judged, taken away, promoted, and repaired after whatever crashed."""

from datetime import datetime, timedelta
from typing import Any

import pytest

import proxy.revisions
import proxy.selectors
import proxy.services
from audit.selectors import entries
from canary import selectors, services
from canary.domain.errors import LiveRollout, Refused, UnknownRollout, UnknownRoute, UnknownUpstream
from canary.domain.states import WrongState
from canary.models import Rollout
from telemetry.domain.errors import MetricsUnavailable
from telemetry.domain.series import Series
from telemetry.memory import InMemoryMetrics
from tests.canary.factories import ANN, World, messages, rollout, state
from tests.proxy.factories import document

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def test_a_start_gives_the_canary_the_first_step(world: World) -> None:
    number = world.start()
    assert world.split() == {"shop-v1": 9500, "shop-v2": 500}
    assert entries(action="rollout.started")[0].actor == "ann"
    assert selectors.rollout(number).row.weight == 500


def test_the_same_key_is_the_same_rollout(world: World) -> None:
    assert world.start(key="build-7") == world.start(key="build-7")
    assert Rollout.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"route": "nowhere"}, UnknownRoute, "route"),
        ({"upstream": "shop-v9"}, UnknownUpstream, "upstream"),
        ({"upstream": "shop-v1"}, Refused, "upstream"),
        ({"mode": "yolo"}, Refused, "mode"),
        ({"plan": {"steps": [500, 100]}}, Refused, "plan.steps"),
        ({"plan": {"alpha": 2}}, Refused, "plan.alpha"),
        ({"plan": {"stepz": [1]}}, Refused, "plan.stepz"),
    ],
)
def test_a_start_that_makes_no_sense_names_its_field(
    world: World, change: dict[str, Any], error: type[Refused], field: str
) -> None:
    with pytest.raises(error) as caught:
        world.start(**change)
    assert caught.value.field == field
    assert not Rollout.objects.exists()


def test_a_route_that_asks_no_upstream_takes_no_rollout(world: World) -> None:
    old = {"name": "old", "hosts": ["old.test"], "redirect": {"host_redirect": "shop.test"}}
    declared = document(routes=[*document()["tiers"][0]["routes"], old])
    proxy.services.apply(document=declared, by=ANN, reason="a redirect", now=world.now)
    with pytest.raises(Refused) as caught:
        world.start(route="old")
    assert caught.value.field == "route"


def test_an_upstream_of_another_protocol_is_refused(world: World) -> None:
    greeter = {"name": "greeter", "protocol": "http2", "endpoints": [{"port": 11006}]}
    declared = document(upstreams=[*document()["tiers"][0]["upstreams"], greeter])
    proxy.services.apply(document=declared, by=ANN, reason="a greeter", now=world.now)
    with pytest.raises(Refused) as caught:
        world.start(upstream="greeter")
    assert caught.value.field == "upstream"
    assert "greeter speaks http2" in caught.value.why
    assert "shop-v1, which has the traffic of shop, speaks http1" in caught.value.why
    assert world.split() == {"shop-v1": 10000, "shop-v2": 0}


def test_a_route_has_one_live_rollout(world: World) -> None:
    world.start()
    with pytest.raises(LiveRollout) as caught:
        world.start()
    assert caught.value.field == "route"


def test_weights_that_somebody_else_holds_are_not_taken(world: World) -> None:
    held: dict[str, Any] = {"tier": "edge", "target": "route/shop/weights", "owner": "run/1", "by": ANN}
    proxy.services.lease(**held, until=world.now + timedelta(minutes=1), now=world.now)
    with pytest.raises(Refused) as caught:
        world.start()
    assert caught.value.field == "route"


def test_a_failing_canary_is_taken_away_and_one_message_says_so(world: World) -> None:
    number = world.start()
    world.run(10)
    world.fails["shop-v2"] = 0.3
    assert world.run(10, until=lambda: state(number) == "rolled_back")
    row = rollout(number)
    assert "shop-v2 fails" in row.reason
    assert world.split() == {"shop-v1": 10000, "shop-v2": 0}
    assert row.fence is None
    assert not proxy.selectors.live_overlays("edge", now=world.now)
    assert len(messages()) == 1
    assert "runbooks/canary-rolled-back/?incident=" in str(messages()[0].payload)
    assert entries(action="rollout.rolling_back")[0].actor == "judge"
    times = selectors.rollout(number).times
    phases = [times.evidence_at, times.decided_at, times.acked_at, times.verified_at]
    happened = [phase for phase in phases if phase is not None]
    assert len(happened) == 4
    assert happened == sorted(happened)


def test_a_canary_that_retries_heal_is_still_failed(world: World) -> None:
    number = world.start()
    world.fails["shop-v2"], world.heals = 0.3, True
    assert world.run(20, until=lambda: state(number) == "rolled_back")
    first, final = selectors.rollout(number).metrics
    assert first.canary.failed >= 5
    assert (final.canary.failed, final.canary.attempts > 0) == (0, True)
    assert "first attempts" in rollout(number).reason


def test_a_healthy_canary_climbs_and_is_promoted(world: World) -> None:
    number = world.start()
    world.per_second = 4000
    assert world.run(120, until=lambda: state(number) == "promoted")
    assert world.split() == {"shop-v1": 0, "shop-v2": 10000}
    assert proxy.selectors.route("shop").split["shop-v2"] == 10000
    assert not proxy.selectors.live_overlays("edge", now=world.now)
    assert [step.verdict for step in selectors.rollout(number).ladder] == ["pass", "pass", "promoted"]
    assert not messages()


def test_a_step_up_waits_for_approval_and_says_what_it_would_do(world: World) -> None:
    number = world.start(mode="approve")
    world.per_second = 4000
    assert world.run(60, until=lambda: state(number) == "awaiting_approval")
    assert len(messages("APPROVAL")) == 1
    approval = next(a for a in selectors.rollout(number).actions if a.action == "approve")
    assert approval.after == {"shop-v1": 5000, "shop-v2": 5000}
    world.run(5)
    assert world.split()["shop-v2"] == 500
    services.approve(rollout_id=number, by=ANN, reason="looks good", now=world.now)
    assert (state(number), world.split()) == ("running", approval.after)
    assert len(messages("APPROVAL")) == 1


def test_the_last_approval_promotes(world: World) -> None:
    number = world.start(mode="approve", plan={"steps": [5000], "warm_up": 0})
    world.per_second = 4000
    assert world.run(60, until=lambda: state(number) == "awaiting_approval")
    services.approve(rollout_id=number, by=ANN, now=world.now)
    assert world.run(5, until=lambda: state(number) == "promoted")
    assert rollout(number).reason == "Promoted by ann"
    assert proxy.revisions.revisions("edge")[0].by == "ann"


def test_a_canary_fails_even_while_it_waits_for_approval_or_is_paused(world: World) -> None:
    number = world.start(mode="approve")
    services.pause(rollout_id=number, by=ANN, now=world.now)
    world.fails["shop-v2"] = 0.5
    assert world.run(20, until=lambda: state(number) == "rolled_back")


@pytest.mark.parametrize("before", ["running", "paused", "awaiting_approval", "needs_human", "promoting"])
def test_a_rollback_works_in_every_live_state(world: World, before: str) -> None:
    number = world.start()
    world.run(2)
    Rollout.objects.filter(pk=number).update(state=before)
    services.rollback(rollout_id=number, by=ANN, reason="enough", now=world.now)
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    assert world.split() == {"shop-v1": 10000, "shop-v2": 0}
    assert rollout(number).reason == "Rolled back by ann: enough"
    assert selectors.rollout(number).row.summary == "Rolled back by ann: enough"
    assert entries(action="rollout.rolled_back")[0].reason == "Rolled back by ann: enough"


def test_a_rollback_undoes_a_promotion_that_became_the_base(world: World) -> None:
    number = world.start()
    world.run(2)
    services.promote(rollout_id=number, by=ANN, now=world.now)
    assert world.run(5, until=lambda: rollout(number).push["stage"] == "base")
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    assert proxy.selectors.route("shop").split == {"shop-v1": 10000, "shop-v2": 0}


def test_what_has_ended_cannot_be_acted_on(world: World) -> None:
    number = world.start()
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    with pytest.raises(WrongState):
        services.rollback(rollout_id=number, by=ANN, now=world.now)
    with pytest.raises(WrongState):
        services.approve(rollout_id=number, by=ANN, now=world.now)
    with pytest.raises(UnknownRollout):
        services.pause(rollout_id=999, by=ANN, now=world.now)


def test_no_data_neither_promotes_nor_rolls_back_and_goes_on_when_it_is_back(world: World) -> None:
    number = world.start()
    world.run(5)
    world.metrics.fail(MetricsUnavailable("connection refused"))
    world.fails["shop-v2"] = 0.5
    world.run(30)
    row = rollout(number)
    assert (row.state, row.weight) == ("running", 500)
    assert row.no_data_since is not None
    assert "connection refused" in row.problem
    world.metrics.fail(None)
    assert world.run(20, until=lambda: state(number) == "rolled_back")
    assert rollout(number).no_data_since is None


def test_scrapes_that_stop_are_no_data(world: World) -> None:
    number = world.start()
    world.run(5)
    world.scraped = False
    world.run(15)
    assert rollout(number).no_data_since is not None
    world.scraped = True
    world.run(5)
    assert rollout(number).no_data_since is None


def test_an_undecided_step_asks_a_person_after_its_longest_stay(world: World) -> None:
    number = world.start(plan={"steps": [500], "warm_up": 0, "longest_stay": 20, "negligible": None})
    assert world.run(30, until=lambda: state(number) == "needs_human")
    assert "undecided after 20 s" in rollout(number).reason
    assert len(messages("NEEDS_HUMAN")) == 1
    services.resume(rollout_id=number, by=ANN, now=world.now)
    world.run(5)
    assert state(number) == "running"


def test_the_overlay_is_renewed_while_workers_live_and_runs_out_when_they_do_not(world: World) -> None:
    number = world.start(plan={"steps": [500], "longest_stay": 10_000, "negligible": None})
    world.run(200)
    assert world.split()["shop-v2"] == 500
    world.works = False
    world.run(130)
    assert world.split()["shop-v2"] == 0
    world.works = True
    world.run(1)
    assert state(number) == "needs_human"
    assert world.split()["shop-v2"] == 0
    services.resume(rollout_id=number, by=ANN, now=world.now)
    assert world.split()["shop-v2"] == 500


def test_a_step_that_a_proxy_refuses_goes_back_and_needs_a_person(world: World) -> None:
    number = world.start(mode="approve")
    world.run(2)
    Rollout.objects.filter(pk=number).update(state="awaiting_approval")
    services.approve(rollout_id=number, by=ANN, now=world.now)
    generation = rollout(number).push["generation"]
    world.obeys = False
    proxy.services.record_nack(
        tier="edge", proxy="edge-2", generation=generation, kind="routes", reason="bad", now=world.now
    )
    world.run(1)
    assert state(number) == "needs_human"
    assert "edge-2 refused it: bad" in rollout(number).reason
    assert world.split()["shop-v2"] == 500
    world.obeys = True
    world.run(3)
    assert (state(number), rollout(number).step) == ("needs_human", 0)


def test_a_refused_promotion_goes_back_to_the_step_that_was_earned(world: World) -> None:
    number = world.start()
    world.run(2)
    world.obeys = False
    services.promote(rollout_id=number, by=ANN, now=world.now)
    world.run(8)
    assert (state(number), rollout(number).step, world.split()["shop-v2"]) == ("needs_human", 0, 500)
    services.resume(rollout_id=number, by=ANN, now=world.now)
    assert world.split()["shop-v2"] == 500


def test_a_step_that_nobody_acknowledges_in_time_goes_back(world: World) -> None:
    number = world.start()
    world.obeys = False
    world.run(8)
    assert state(number) == "needs_human"
    assert world.split() == {"shop-v1": 10000, "shop-v2": 0}


def test_a_rollback_that_a_proxy_does_not_obey_stays_and_needs_a_person(world: World) -> None:
    number = world.start()
    world.run(3)
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    world.obeys = False
    world.run(150)
    assert state(number) == "rolling_back"
    assert len(messages("NEEDS_HUMAN")) == 1
    assert world.split()["shop-v2"] == 0
    world.obeys = True
    assert world.run(3, until=lambda: state(number) == "rolled_back")


def test_a_worker_killed_right_after_the_decision_leaves_all_that_the_next_one_needs(world: World) -> None:
    number = world.start()
    world.fails["shop-v2"] = 0.3
    assert world.run(20, until=lambda: state(number) == "rolling_back")
    # Nothing of the worker is left but rows: decision, overlay, audit and message are there at once.
    assert world.split()["shop-v2"] == 0
    assert len(messages()) == 1
    assert len(entries(action="rollout.rolling_back")) == 1
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    world.run(5)
    assert len(messages()) == 1
    assert len(entries(action="rollout.rolling_back")) == 1


def test_a_person_in_between_makes_the_worker_in_flight_fail_to_commit(world: World) -> None:
    number = world.start()
    world.run(5)
    world.fails["shop-v2"] = 0.5

    class Interrupting(InMemoryMetrics):
        """Metrics whose answer comes after a person rolled back."""

        def raw(self, selector: str, *, window: timedelta, at: datetime) -> tuple[Series, ...]:
            if state(number) == "running":
                services.rollback(rollout_id=number, by=ANN, reason="mine", now=world.now)
            return world.metrics.raw(selector, window=window, at=at)

    world.works = False
    world.run(6)
    services.tick(metrics=Interrupting(), admin=world.admin, now=world.now + timedelta(seconds=0.95))
    assert rollout(number).reason == "Rolled back by ann: mine"
    assert not messages()
    assert len(entries(action="rollout.rolling_back")) == 1


def test_two_ticks_at_once_do_one_step(world: World) -> None:
    number = world.start()
    world.run(5)
    version = rollout(number).version
    world.tick(at=0.96)
    assert rollout(number).version == version


def test_one_bad_rollout_stops_no_other(world: World) -> None:
    number = world.start()
    Rollout.objects.filter(pk=number).update(plan={"steps": "nonsense"})
    world.run(1)
    assert "ValidationError" in rollout(number).problem
