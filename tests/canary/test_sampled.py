"""PromQL of one's own, read each few seconds for both arms: which of the two points is the worse one?"""

from collections.abc import Callable
from datetime import datetime
from math import log
from typing import Any

import numpy as np
import pytest

from canary import selectors
from canary.domain import family
from canary.domain.judge import Limits, Tick
from canary.domain.metrics import Metric
from canary.domain.odds import Cell, log_likelihood
from canary.domain.plan import BadPlan, read
from telemetry.domain.errors import BadQuery
from telemetry.memory import Answer
from tests.canary.factories import PLAN, World, rollout, state

PROMQL = 'sum(orders_per_minute{version="$arm"})'
ORDERS = {"name": "orders", "promql": PROMQL, "worse": "lower", "every": 1}
FIRST = {"name": "first_attempt"}
LIMITS = Limits(negligible=0.001)


def kinds(pairs: list[tuple[float, float]], **changes: Any) -> list[str]:
    """The metric's verdict after each pair of points (canary, control)."""
    metric = Metric.model_validate({**ORDERS, **changes})
    metrics, weighed = (Metric(name="first_attempt"), metric), family.empty()
    found: list[str] = []
    for at, points in enumerate(pairs):
        counted = Tick(float(at), {"": Cell(9, 0, 9, 0)})
        tick = {"first_attempt": counted, "orders": Tick(float(at), {"": metric.compared(*points)})}
        weighed = family.observe(weighed, tick, LIMITS, metrics=metrics)
        judgement = family.decide(
            weighed, LIMITS, canary="shop-v2", control="the control", tick=tick, metrics=metrics
        )
        found.append(judgement.verdicts["orders"].kind)
    return found


def test_two_points_that_differ_weigh_by_the_odds_that_the_canarys_is_the_worse() -> None:
    metric = Metric.model_validate(ORDERS)
    grid = np.log(np.array([1.0, 3.0]))
    worse, better = (log_likelihood([metric.compared(*pair)], grid) for pair in ((90, 100), (100, 90)))
    assert np.diff(worse)[0] == pytest.approx(log((3 / 4) / (1 / 2)))
    assert np.diff(better)[0] == pytest.approx(log((1 / 4) / (1 / 2)))
    assert not metric.compared(100, 100).informative


def test_a_canary_that_is_always_worse_fails_but_not_before_twenty_points() -> None:
    found = kinds([(90, 100)] * 25)
    assert found[:19] == ["inconclusive"] * 19
    assert found[19] == "fail"


def test_which_direction_is_worse_is_declared() -> None:
    assert "fail" not in kinds([(90, 100)] * 40, worse="higher")
    assert "fail" in kinds([(110, 100)] * 40, worse="higher")


def test_what_moves_both_arms_alike_cancels_out_and_a_healthy_canary_passes() -> None:
    rng = np.random.default_rng(2)
    level = 1000 + 500 * np.sin(np.arange(200) / 20)
    found = kinds([(at + rng.normal(), at + rng.normal()) for at in level])
    assert "pass" in found
    assert "fail" not in found


def test_a_healthy_canary_is_seldom_failed_by_it() -> None:
    rng = np.random.default_rng(3)
    failed = ["fail" in kinds([tuple(pair) for pair in rng.normal(size=(80, 2))]) for _ in range(25)]
    # At most half of alpha 1 % are; 3 of 25 would be a one in ten thousand chance.
    assert sum(failed) <= 2


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"promql": "up"}, "metrics.1.promql", "must hold $arm"),
        ({"name": "final"}, "metrics.1.name", "a name of your own"),
        ({"name": "Orders per minute"}, "metrics.1.name", "a name of your own"),
        ({"every": 0.1}, "metrics.1.every", "greater than or equal to 1"),
        ({"worse": "different"}, "metrics.1.worse", "'higher' or 'lower'"),
    ],
)
def test_what_makes_no_sense_names_its_path(change: dict[str, Any], field: str, why: str) -> None:
    with pytest.raises(BadPlan) as caught:
        read({"metrics": [FIRST, {**ORDERS, **change}]})
    assert caught.value.field == field
    assert why in caught.value.why


def orders(world: World, arm: str, value: Callable[[datetime], float], series: int = 1) -> None:
    def answer(at: datetime) -> Answer:
        return [({"shop": str(number)} if number else {}, value(at)) for number in range(series)]

    world.metrics.answer(PROMQL.replace("$arm", arm), answer)


@pytest.fixture
def world() -> World:
    found = World(per_second=1000)
    orders(found, "shop-v1", lambda at: 100.0 + at.second)
    orders(found, "shop-v2", lambda at: 100.0 + at.second)
    return found


def start(world: World, **changes: Any) -> int:
    return world.start(plan={**PLAN, "metrics": [FIRST, {**ORDERS, **changes}]})


@pytest.mark.django_db
def test_a_canary_that_sells_less_is_rolled_back_and_the_metric_is_named(world: World) -> None:
    orders(world, "shop-v2", lambda at: 90.0 + at.second)
    number = start(world)
    assert world.run(60, until=lambda: state(number) == "rolled_back")
    assert "shop-v2 is the lower one at 100.0 % of points of orders (2" in rollout(number).reason
    detail = selectors.rollout(number)
    assert [(row.metric, row.fired) for row in detail.metrics] == [("first_attempt", False), ("orders", True)]
    assert PROMQL in detail.queries


@pytest.mark.django_db
def test_points_are_read_each_so_many_seconds_in_one_query_an_arm(world: World) -> None:
    number = start(world, every=5)
    world.run(9)
    world.works = False
    world.run(20)
    world.works, world.metrics.asked = True, []
    matrices = count_matrices(world)
    world.tick()
    assert matrices() == 2
    assert selectors.rollout(number).metrics[1].ticks in (4, 5)


def count_matrices(world: World) -> Callable[[], int]:
    asked: list[str] = []
    matrix = world.metrics.matrix

    def counted(promql: str, **more: Any) -> Any:
        asked.append(promql)
        return matrix(promql, **more)

    world.metrics.matrix = counted  # type: ignore[method-assign]
    return lambda: len(asked)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (lambda world: orders(world, "shop-v2", lambda at: 1.0, series=3), "3 series for shop-v2"),
        (lambda world: orders(world, "shop-v2", raising), "parse error"),
    ],
)
def test_a_query_that_cannot_be_used_is_named_and_blinds_no_other_metric(
    world: World, breaks: Callable[[World], None], said: str
) -> None:
    breaks(world)
    number = start(world)
    world.run(5)
    assert any(
        why.startswith("no point of orders") and said in why for why in rollout(number).evidence["dropped"]
    )
    world.fails["shop-v2"] = 0.3
    assert world.run(15, until=lambda: state(number) == "rolled_back")


def raising(at: datetime) -> float:
    raise BadQuery("parse error")


@pytest.mark.django_db
def test_without_points_no_step_is_earned(world: World) -> None:
    world.per_second = 4000
    orders(world, "shop-v2", lambda at: float("nan"))
    number = start(world)
    world.run(60)
    assert (state(number), rollout(number).weight) == ("running", 500)
