"""A step is taken only where the arms of before could take all back, and what they cannot returns in stages."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import proxy.services
from access.domain.roles import Role
from canary import selectors, services
from canary.domain.errors import Refused
from canary.models import Load, Rollout
from telemetry.domain import capacity
from telemetry.domain.errors import MetricsUnavailable
from telemetry.memory import InMemoryMetrics
from tests.canary.factories import ANN, PLAN, T0, World, messages, rollout, state
from tests.canary.loads import Traffic, declare
from tests.proxy.factories import document
from tests.support.people import bearer, person

pytestmark = pytest.mark.django_db
HALF: dict[str, Any] = {**PLAN, "steps": [5000], "longest_stay": 9000}


@pytest.fixture
def world() -> World:
    made = World()
    declare(made, 30.0)
    made.run(2)
    return made


@pytest.fixture
def traffic(world: World) -> Traffic:
    return Traffic(world)


def begun(traffic: Traffic, **plan: Any) -> int:
    """A rollout that has half of the route, obeyed."""
    traffic.measure()
    number = traffic.world.start(mode="approve", plan={**HALF, **plan})
    traffic.run(3)
    assert traffic.split() == {"shop-v1": 5000, "shop-v2": 5000}
    return number


def test_no_rollout_begins_that_could_not_be_taken_back_and_the_figures_are_said(traffic: Traffic) -> None:
    traffic.healthy = 6
    traffic.measure()
    with pytest.raises(Refused) as caught:
        traffic.world.start()
    assert caught.value.field == "route"
    assert "it would get 200 requests/s, and 6 healthy endpoints can take 180" in caught.value.why
    assert not Rollout.objects.exists()


def test_what_stable_serves_besides_counts(traffic: Traffic) -> None:
    traffic.besides = 101.0
    traffic.measure()
    with pytest.raises(Refused, match="would get 301 requests/s, of which 101 are other routes'"):
        traffic.world.start()


@pytest.mark.parametrize("act", [services.approve, services.promote])
def test_a_person_takes_no_step_that_could_not_be_taken_back(traffic: Traffic, act: Any) -> None:
    traffic.measure()
    number = traffic.world.start(mode="approve")
    assert traffic.world.run(600, until=lambda: state(number) == "awaiting_approval")
    traffic.healthy = 6
    traffic.measure()
    with pytest.raises(Refused, match="6 healthy endpoints can take 180"):
        act(rollout_id=number, by=ANN, now=traffic.world.now)
    assert (state(number), rollout(number).weight) == ("awaiting_approval", 500)
    traffic.healthy = 7
    traffic.measure()
    act(rollout_id=number, by=ANN, now=traffic.world.now)
    assert rollout(number).weight > 500


def test_the_machine_takes_no_such_step_and_takes_it_once_there_is_room(traffic: Traffic) -> None:
    traffic.measure()
    number = traffic.world.start()
    traffic.healthy = 6
    held = "passed, but shop-v1 could not take shop back"
    while not traffic.world.run(20, until=lambda: held in rollout(number).problem):
        traffic.measure()
        assert traffic.world.now < T0 + timedelta(seconds=600)
    assert (state(number), rollout(number).weight) == ("running", 500)
    traffic.healthy = 10
    traffic.run(5)
    assert rollout(number).weight > 500


def test_a_person_hears_once_a_step_that_there_is_no_way_back_any_more(traffic: Traffic) -> None:
    number = begun(traffic)
    traffic.healthy = 5
    traffic.run(5)
    told = messages("NEEDS_HUMAN")
    assert len(told) == 1
    assert "5 healthy endpoints can take 150" in str(told[0].payload)
    assert "5 healthy endpoints can take 150" in selectors.rollout(number).row.reserve


def test_what_nobody_declared_is_said_and_refused_by_nobody(traffic: Traffic) -> None:
    declare(traffic.world, None)
    traffic.healthy = 1
    number = begun(traffic)
    assert "neither declared (capacity_rps) nor measured for shop-v1" in rollout(number).reserve
    services.rollback(rollout_id=number, by=ANN, now=traffic.world.now)
    assert rollout(number).weight == 0


def test_a_measured_rate_holds_steps_only_where_the_plan_says_so(traffic: Traffic) -> None:
    declare(traffic.world, None)
    traffic.measure()
    Load.objects.filter(upstream="shop-v1").update(shown_rps=15.0)
    with pytest.raises(Refused, match="10 healthy endpoints were seen to take 150"):
        traffic.world.start(plan={**PLAN, "capacity": {"measured": "hold"}})
    number = traffic.world.start()
    traffic.run(3)
    assert "seen to take 150 requests/s and would get 200" in selectors.rollout(number).row.reserve


def test_figures_that_are_old_refuse_nothing_and_keep_nothing_back(traffic: Traffic) -> None:
    number = begun(traffic)
    traffic.healthy = 5
    traffic.measure()
    traffic.world.metrics.fail(MetricsUnavailable("connection refused"))
    traffic.world.now += timedelta(seconds=50)
    traffic.measure()
    services.rollback(rollout_id=number, by=ANN, now=traffic.world.now)
    assert rollout(number).weight == 0


def test_a_plan_names_what_is_wrong_with_its_capacity(traffic: Traffic) -> None:
    with pytest.raises(Refused) as caught:
        traffic.world.start(plan={**PLAN, "capacity": {"longest_return": 301}})
    assert caught.value.field == "plan.capacity.longest_return"


def test_a_rollback_takes_at_once_what_there_is_room_for_and_the_rest_as_endpoints_come(
    traffic: Traffic,
) -> None:
    number = begun(traffic)
    traffic.healthy = 4
    traffic.measure()
    services.rollback(rollout_id=number, by=ANN, now=traffic.world.now)
    assert (state(number), rollout(number).weight) == ("rolling_back", 4000)
    traffic.run(3)
    assert traffic.split() == {"shop-v1": 6000, "shop-v2": 4000}
    assert "40 % stays with shop-v2 for now, until" in rollout(number).problem
    traffic.healthy = 6
    traffic.run(3)
    assert traffic.split()["shop-v2"] == 1000
    traffic.healthy = 10
    traffic.run(4)
    assert (state(number), traffic.split()["shop-v2"]) == ("rolled_back", 0)
    assert all(stable <= 300 for stable, _ in traffic.served)


def test_the_judges_rollback_is_staged_alike_and_says_so(traffic: Traffic) -> None:
    number = begun(traffic)
    traffic.healthy = 4
    traffic.measure()
    traffic.world.fails["shop-v2"] = 0.5
    assert traffic.world.run(20, until=lambda: state(number) == "rolling_back")
    assert rollout(number).weight == 4000
    assert "from 50 % to 40 % on every proxy at once" in str(messages()[0].payload)


@pytest.mark.parametrize("seed", range(6))
def test_a_staged_return_never_overloads_stable_and_ends_in_time(traffic: Traffic, seed: int) -> None:
    chance = random.Random(seed)
    number = begun(traffic, capacity={"longest_return": 20})
    traffic.healthy = 4
    traffic.measure()
    services.rollback(rollout_id=number, by=ANN, now=traffic.world.now)
    began = traffic.world.now
    shares = [5000]
    while state(number) != "rolled_back":
        traffic.healthy = min(10, traffic.healthy + chance.choice([0, 0, 0, 1]))
        traffic.run(1)
        bounded = (traffic.world.now - began).total_seconds() <= 19
        assert not bounded or traffic.stable() <= 30.0 * traffic.healthy + 1e-6
        shares.append(traffic.split()["shop-v2"])
    assert traffic.world.now - began <= timedelta(seconds=24)
    assert shares == sorted(shares, reverse=True)


def test_where_room_never_comes_all_is_taken_back_when_the_time_is_over(traffic: Traffic) -> None:
    number = begun(traffic)
    traffic.healthy = 0
    traffic.measure()
    services.rollback(rollout_id=number, by=ANN, now=traffic.world.now)
    traffic.run(28)
    assert (state(number), rollout(number).weight) == ("rolling_back", 5000)
    traffic.run(6)
    assert (state(number), traffic.split()["shop-v2"]) == ("rolled_back", 0)


def test_a_person_takes_the_rest_back_at_once(traffic: Traffic) -> None:
    number = begun(traffic)
    traffic.healthy = 4
    traffic.measure()
    services.rollback(rollout_id=number, by=ANN, now=traffic.world.now)
    assert "force" in [row.action for row in selectors.rollout(number).actions]
    services.force(rollout_id=number, by=ANN, reason="it corrupts orders", now=traffic.world.now)
    assert rollout(number).weight == 0
    assert "Taken back at once by ann: it corrupts orders" in rollout(number).reason
    with pytest.raises(Refused, match="nothing is left to force"):
        services.force(rollout_id=number, by=ANN, now=traffic.world.now)
    traffic.run(4)
    assert state(number) == "rolled_back"


def test_the_page_and_the_api_say_what_is_kept_back_and_take_it_at_once(
    traffic: Traffic, client: Client
) -> None:
    number = begun(traffic)
    traffic.healthy = 4
    traffic.measure()
    services.rollback(rollout_id=number, by=ANN, now=traffic.world.now)
    traffic.run(2)
    client.force_login(person(Role.OPERATOR, "ann"))
    page = client.get(f"/rollouts/{number}/").content.decode()
    assert "Take the rest back at once" in page
    assert "40 % stays with shop-v2 for now, until" in page
    assert "and 4 healthy endpoints can take 120" in page
    address = f"/api/v1/rollouts/{number}/force"
    answer = client.post(address, content_type="application/json", headers=bearer(Role.OPERATOR))
    assert (answer.status_code, answer.json()["weight"]) == (200, 0)
    assert "force" not in answer.json()["actions"]
    assert "can take 120" in answer.json()["reserve"]


def test_a_promotion_is_undone_in_stages_where_the_old_arm_was_made_smaller(traffic: Traffic) -> None:
    number = begun(traffic)
    services.promote(rollout_id=number, by=ANN, now=traffic.world.now)
    traffic.run(5)
    assert state(number) == "promoted"
    traffic.healthy = 4
    traffic.measure()
    services.undo(rollout_id=number, by=ANN, now=traffic.world.now)
    assert rollout(number).weight == 4000
    traffic.run(2)
    assert traffic.split() == {"shop-v1": 6000, "shop-v2": 4000}
    traffic.healthy = 10
    traffic.run(5)
    assert (state(number), traffic.split()["shop-v2"]) == ("rolled_back", 0)


def test_a_plan_may_want_everything_back_at_once(traffic: Traffic) -> None:
    number = begun(traffic, capacity={"longest_return": 0})
    traffic.healthy = 4
    traffic.measure()
    services.rollback(rollout_id=number, by=ANN, now=traffic.world.now)
    assert rollout(number).weight == 0


def test_no_stage_begins_before_the_one_before_is_obeyed(traffic: Traffic) -> None:
    number = begun(traffic)
    traffic.healthy = 4
    traffic.measure()
    traffic.world.obeys = False
    services.rollback(rollout_id=number, by=ANN, now=traffic.world.now)
    traffic.healthy = 10
    traffic.run(5)
    assert rollout(number).weight == 4000
    traffic.world.obeys = True
    traffic.run(5)
    assert state(number) == "rolled_back"


def test_a_step_that_no_proxy_obeys_yet_is_not_made_true_by_its_rollback(traffic: Traffic) -> None:
    traffic.measure()
    number = traffic.world.start(mode="approve", plan={**PLAN, "push_deadline": 60})
    traffic.run(3)
    Rollout.objects.filter(pk=number).update(state="awaiting_approval")
    traffic.world.obeys = False
    services.approve(rollout_id=number, by=ANN, now=traffic.world.now)
    traffic.healthy = 1
    traffic.measure()
    services.rollback(rollout_id=number, by=ANN, now=traffic.world.now)
    assert rollout(number).weight == 500


def many(upstreams: int) -> InMemoryMetrics:
    metrics = InMemoryMetrics()
    arms = [{"tier": "edge", "route": f"r{number}", "arm": f"u{number}"} for number in range(upstreams)]
    metrics.answer(capacity.attempts(), [(arm, 1.0) for arm in arms])
    metrics.answer(capacity.firsts(), [(arm, 1.0) for arm in arms])
    metrics.answer(capacity.healthy(), [])
    for query in (capacity.load(), capacity.failed(), capacity.slowness()):
        metrics.answer(query, [(arm, 1.0) for arm in arms[:1]])
    return metrics


def test_loads_take_as_many_queries_for_a_thousand_upstreams_as_for_ten(world: World) -> None:
    counts = []
    for upstreams in (10, 1000):
        metrics = many(upstreams)
        with CaptureQueriesContext(connection) as asked:
            assert services.measure(metrics=metrics, now=world.now) == upstreams
        counts.append((len(asked), len(metrics.asked)))
    assert counts[1][1] == counts[0][1] == 3
    # The rows go in the batches of the database's driver, of some hundreds.
    assert counts[1][0] <= counts[0][0] + 12


def test_a_shortage_that_was_told_costs_as_many_queries_for_forty_rollouts_as_for_four(world: World) -> None:
    routes = [f"r{number}" for number in range(40)]
    declare_routes(world, routes)
    for name in routes[:4]:
        world.start(route=name, mode="approve")
    four = queries_of_a_measurement(world, routes)
    for name in routes[4:]:
        Load.objects.all().delete()
        world.start(route=name, mode="approve")
    assert queries_of_a_measurement(world, routes) == four
    assert len(messages("NEEDS_HUMAN")) == 40


def declare_routes(world: World, names: list[str]) -> None:
    """Routes over one upstream that takes next to nothing."""
    split = {"shop-v1": 10000, "shop-v2": 0}
    routes = [{"name": name, "hosts": [f"{name}.test"], "split": split} for name in names]
    stable = {"name": "shop-v1", "endpoints": [{"port": 1}], "capacity_rps": 1.0}
    canary = {"name": "shop-v2", "endpoints": [{"port": 2}]}
    declared = document(upstreams=[stable, canary], routes=routes)
    proxy.services.apply(document=declared, by=ANN, reason="many", now=world.now)


def queries_of_a_measurement(world: World, routes: list[str]) -> int:
    """Of the second one: the first tells what is short."""
    metrics = InMemoryMetrics()
    rates = [({"tier": "edge", "route": name, "arm": "shop-v1"}, 9.0) for name in routes]
    metrics.answer(capacity.attempts(), rates)
    metrics.answer(capacity.firsts(), rates)
    metrics.answer(capacity.healthy(), [])
    services.measure(metrics=metrics, now=world.now)
    with CaptureQueriesContext(connection) as asked:
        services.measure(metrics=metrics, now=world.now)
    return len(asked)
