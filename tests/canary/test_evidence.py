"""What a rollout keeps of its evidence: enough to replay a verdict, and cheap to list."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from canary import selectors
from canary.models import Observation, Rollout
from tests.canary.factories import World, rollout

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def test_a_verdict_is_replayed_from_the_same_scrapes(world: World) -> None:
    number = world.start()
    world.run(4)
    world.works, world.fails["shop-v2"] = False, 0.1
    world.run(20)
    before = rollout(number)
    world.tick()
    once = rollout(number)
    assert once.state == "rolling_back"
    Rollout.objects.filter(pk=number).update(
        state="running",
        evidence=before.evidence,
        folded_until=before.folded_until,
        push=before.push,
        next_wakeup_at=world.now,
    )
    world.tick(at=0.97)
    again = rollout(number)
    assert (again.reason, again.evidence) == (once.reason, once.evidence)


def test_evidence_is_kept_a_row_a_tick(world: World) -> None:
    number = world.start()
    world.run(10)
    points = selectors.evidence(number)
    assert len(points) == Observation.objects.count() >= 7
    assert all(point.control[0] > 0 for point in points[1:])


def test_a_list_of_rollouts_takes_one_query(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    world.start()
    with django_assert_num_queries(1):
        assert selectors.rollouts(live=True)[0].state == "running"


def test_a_tick_asks_prometheus_as_often_for_two_rollouts_as_for_one_and_mixes_nothing(world: World) -> None:
    first = world.start()
    world.run(3)
    world.metrics.asked.clear()
    world.run(1)
    assert len(world.metrics.asked) == 3
    other = world.start(route="payments")
    world.run(3)
    world.metrics.asked.clear()
    world.run(1)
    assert len(world.metrics.asked) == 3
    newest = Observation.objects.filter(rollout=first).order_by("at").last()
    assert newest is not None
    assert newest.tick["first_attempt"]["edge-1"] == [10, 0, 190, 0]
    assert not any(
        counts[0] or counts[2]
        for one in Observation.objects.filter(rollout=other)
        for counts in one.tick["first_attempt"].values()
    )


def test_rollouts_that_are_due_are_claimed_by_as_many_statements_however_many_they_are(world: World) -> None:
    counted = []
    for route in ("shop", "payments"):
        world.start(route=route)
        world.run(1)
        with CaptureQueriesContext(connection) as queries:
            world.run(1)
        counted.append(
            sum(one["sql"].startswith("UPDATE") and "next_wakeup_at" in one["sql"] for one in queries)
        )
    assert counted == [1, 1]
