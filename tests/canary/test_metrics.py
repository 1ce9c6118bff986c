"""What a plan is judged by: metrics with their shares of alpha, and what a FAIL of each does."""

from typing import Any

import pytest
from django.test import Client

from access.domain.roles import Role
from canary import replays, selectors, services
from canary.domain import family
from canary.domain.errors import Refused
from canary.domain.metrics import DEFAULT, Metric
from canary.domain.plan import BadPlan, Plan, read
from proxy import services as proxy_services
from proxy.selectors import base
from slo import services as slo_services
from tests.canary.factories import ANN, PLAN, World, messages, rollout, state
from tests.proxy.factories import document
from tests.support.people import bearer, person

pytestmark = pytest.mark.django_db
BOTH = [{"name": "first_attempt"}, {"name": "total_latency"}]


@pytest.fixture
def world() -> World:
    return World(per_second=1000)


def start(world: World, *metrics: dict[str, Any]) -> int:
    return world.start(plan={**PLAN, "metrics": list(metrics)})


def test_by_default_first_attempts_and_final_answers_halve_alpha() -> None:
    plan = read({"alpha": 0.01})
    assert plan.metrics == DEFAULT
    assert [one.name for one in plan.metrics] == ["first_attempt", "final"]
    assert {family.limits_of(plan.limits(), one.name).alpha for one in plan.metrics} == {0.005}


def test_alpha_is_split_by_weight() -> None:
    metrics = (Metric(name="first_attempt", weight=3), Metric(name="total_latency", weight=1))
    shares = [family.limits_of(Plan().limits(), one.name, metrics).alpha for one in metrics]
    assert shares == pytest.approx([0.0075, 0.0025])


@pytest.mark.parametrize(
    ("metrics", "field", "why"),
    [
        ([{"name": "first_attempt"}, {"name": "speed"}], "metrics.1.name", "must be one of"),
        ([{"name": "first_attempt", "weight": 0}], "metrics.0.weight", "greater than 0"),
        ([{"name": "first_attempt", "action": "page"}], "metrics.0.action", "'roll_back', 'pause'"),
        ([{"name": "first_attempt", "wait": 1}], "metrics.0.wait", "not permitted"),
        ([{"name": "first_attempt", "limit": 0.1}], "metrics.0", "limit is for slo alone"),
        ([{"name": "first_attempt"}] * 2, "metrics", "holds first_attempt twice"),
        ([{"name": "final"}], "metrics", "must hold first_attempt"),
        ([{"name": "first_attempt", "action": "observe"}], "metrics", "earns the steps"),
    ],
)
def test_what_makes_no_sense_names_its_path(metrics: list[dict[str, Any]], field: str, why: str) -> None:
    with pytest.raises(BadPlan) as caught:
        read({"metrics": metrics})
    assert caught.value.field == field
    assert why in caught.value.why


def test_a_slower_canary_is_rolled_back_and_the_edge_is_named_everywhere(world: World) -> None:
    world.slow = {"shop-v1": 0.02, "shop-v2": 0.02}
    number = start(world, *BOTH)
    world.run(10)
    world.slow["shop-v2"] = 0.2
    assert world.run(30, until=lambda: state(number) == "rolled_back")
    assert "shop-v2 is slower than 10 ms in" in rollout(number).reason
    (latency,) = (row for row in selectors.rollout(number).metrics if row.kind == "latency")
    assert (latency.edge, latency.fired, latency.title) == (10_000, True, "Whole latency, above 10 ms")
    assert latency.canary.failed > 0
    (message,) = messages()
    assert "is slower than 10 ms" in str(message.payload)
    assert "odds of more than 10 ms" in str(message.payload)


def test_what_the_proxy_adds_is_judged_too(world: World) -> None:
    world.slow = {"shop-v1": 0.02, "shop-v2": 0.3}
    number = start(world, *BOTH, {"name": "added_latency"})
    assert world.run(30, until=lambda: state(number) == "rolled_back")
    verdicts = {row.metric: row.fired for row in selectors.rollout(number).metrics}
    assert verdicts == {"first_attempt": False, "total_latency": True, "added_latency": False}


def test_a_metric_to_pause_pauses_once_asks_a_person_and_a_failing_one_still_rolls_back(world: World) -> None:
    world.slow = {"shop-v1": 0.02, "shop-v2": 0.3}
    number = start(world, BOTH[0], {**BOTH[1], "action": "pause"})
    assert world.run(30, until=lambda: state(number) == "paused")
    assert rollout(number).reason.startswith("paused by total_latency: shop-v2 is slower than 10 ms")
    assert world.split()["shop-v2"] == 500
    assert len(messages("NEEDS_HUMAN")) == 1
    services.resume(rollout_id=number, by=ANN, now=world.now)
    world.run(20)
    assert (state(number), rollout(number).weight) == ("running", 500)
    world.fails["shop-v2"] = 0.3
    assert world.run(20, until=lambda: state(number) == "rolled_back")


def test_a_second_metric_pauses_though_the_one_that_a_person_went_past_still_fails(world: World) -> None:
    world.slow = {"shop-v1": 0.02, "shop-v2": 0.3}
    final = {"name": "final", "action": "pause"}
    first = {**BOTH[0], "action": "observe"}
    number = start(world, first, {**BOTH[1], "action": "pause"}, final)
    assert world.run(30, until=lambda: state(number) == "paused")
    services.resume(rollout_id=number, by=ANN, now=world.now)
    world.fails["shop-v2"] = 0.3
    assert world.run(20, until=lambda: state(number) == "paused")
    assert rollout(number).reason.startswith("paused by final")
    assert replays.replay(number).same


def test_a_metric_that_is_observed_neither_rolls_back_nor_holds_a_step(world: World) -> None:
    world.per_second, world.slow = 4000, {"shop-v1": 0.02, "shop-v2": 0.3}
    number = start(world, BOTH[0], {**BOTH[1], "action": "observe"})
    assert world.run(120, until=lambda: rollout(number).weight > 500)
    (latency,) = (row for row in selectors.rollout(number).metrics if row.kind == "latency")
    assert latency.fired


@pytest.mark.parametrize(("action", "weights"), [("roll_back", {500}), ("observe", {5000, 10_000})])
def test_a_latency_that_nobody_measures_holds_the_step_unless_it_is_only_observed(
    world: World, action: str, weights: set[int]
) -> None:
    world.per_second = 4000
    number = start(world, BOTH[0], {**BOTH[1], "action": action})
    world.run(45)
    assert rollout(number).weight in weights


def test_a_tier_that_does_not_measure_added_latency_is_told(world: World) -> None:
    declared = document(exact_added_latency=False)
    proxy_services.apply(document=declared, by=ANN, reason="cheaper", now=world.now)
    with pytest.raises(Refused) as caught:
        start(world, BOTH[0], {"name": "added_latency"})
    assert caught.value.field == "plan.metrics.1.name"
    assert "exact_added_latency" in caught.value.why


def test_the_absolute_rule_takes_the_strictest_objective_and_fails_though_both_arms_fail_alike(
    world: World,
) -> None:
    slo_services.sync(tier=base("edge"), by=ANN, now=world.now)
    number = start(world, BOTH[0], {"name": "slo"})
    limit = rollout(number).plan["metrics"][1]["limit"]
    assert limit == pytest.approx(0.005)
    world.fails = {"shop-v1": 0.05, "shop-v2": 0.05}
    assert world.run(60, until=lambda: state(number) == "rolled_back")
    assert "at all times, where 0.5 % may fail" in rollout(number).reason


def test_without_the_absolute_rule_an_incident_in_both_arms_rolls_nothing_back(world: World) -> None:
    number = start(world, *BOTH[:1])
    world.fails = {"shop-v1": 0.05, "shop-v2": 0.05}
    assert not world.run(60, until=lambda: state(number) in ("rolling_back", "rolled_back"))


def test_an_absolute_rule_without_an_objective_needs_a_limit(world: World) -> None:
    with pytest.raises(Refused) as caught:
        start(world, BOTH[0], {"name": "slo"})
    assert caught.value.field == "plan.metrics.1.limit"
    assert state(start(world, BOTH[0], {"name": "slo", "limit": 0.02})) == "running"


def test_the_same_key_is_the_same_rollout_though_its_limit_was_filled_in(world: World) -> None:
    slo_services.sync(tier=base("edge"), by=ANN, now=world.now)
    plan = {**PLAN, "metrics": [BOTH[0], {"name": "slo"}]}
    assert world.start(plan=plan, key="build-7") == world.start(plan=plan, key="build-7")


def test_the_page_and_the_api_show_every_metric_of_the_plan_and_what_fired(
    world: World, client: Client
) -> None:
    world.slow = {"shop-v1": 0.02, "shop-v2": 0.3}
    number = start(
        world, BOTH[0], {"name": "total_latency", "action": "observe"}, {"name": "slo", "limit": 0.02}
    )
    world.run(20)
    client.force_login(person(Role.OPERATOR))
    page = client.get(f"/rollouts/{number}/").content.decode()
    assert "Whole latency, above 10 ms" in page
    assert "only observed" in page
    assert "Against the objective: 2 % may fail" in page
    assert page.count(">worse<") == 1
    assert client.get(f"/rollouts/{number}/charts/total_latency.json").status_code == 200
    told = client.get(f"/api/v1/rollouts/{number}", headers=bearer(Role.VIEWER)).json()["metrics"]
    assert [(one["metric"], one["action"], one["edge"], one["limit"]) for one in told] == [
        ("first_attempt", "roll_back", None, None),
        ("total_latency", "observe", 10_000, None),
        ("slo", "roll_back", None, 0.02),
    ]


def test_a_rollout_by_every_kind_of_metric_is_replayed_to_the_same_verdicts(world: World) -> None:
    world.slow = {"shop-v1": 0.02, "shop-v2": 0.02}
    for arm in world.slow:
        world.metrics.answer(f"orders_{arm}", [({}, 1.0)])
    orders = {"name": "orders", "promql": "orders_$arm", "every": 1}
    number = start(world, *BOTH, {"name": "added_latency"}, {"name": "slo", "limit": 0.01}, orders)
    world.run(15)
    world.slow["shop-v2"] = 0.3
    assert world.run(30, until=lambda: state(number) == "rolled_back")
    again = replays.replay(number)
    assert (again.same, again.verdict) == (True, "fail")
    assert {row.metric for row in again.metrics} == {
        *("first_attempt", "total_latency", "added_latency", "slo", "orders")
    }
