"""Freeze windows stop steps up and never a rollback, and say when they end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import proxy.services
from canary import freezes, services
from canary.domain.errors import Frozen, Refused
from canary.domain.plan import Plan
from canary.models import Rollout
from proxy.domain.tier import Freeze
from proxy.domain.tier.freezes import frozen
from tests.canary.factories import ANN, PLAN, T0, World, messages, rollout, state
from tests.proxy.factories import document

WEEKEND = Freeze(weekly="Fri 16:00 - Mon 08:00", why="weekend")
# T0 is a Thursday.
TO_COME: dict[str, Any] = {"weekly": "Thu 00:00 - Thu 02:00", "why": "night"}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (at(2, 15, 59), None),
        (at(2, 16), at(5, 8)),
        (at(4, 12), at(5, 8)),
        (at(5, 7, 59), at(5, 8)),
        (at(5, 8), None),
        (at(7, 0), None),
    ],
)
def test_a_weekly_window_goes_over_the_weekend(now: datetime, until: datetime | None) -> None:
    assert WEEKEND.until(now) == until


def test_a_window_is_read_in_utc_whatever_the_zone_of_the_clock() -> None:
    berlin = datetime.fromisoformat("2026-01-02T17:00:00+01:00")
    assert WEEKEND.until(berlin) == at(5, 8)


def test_windows_that_follow_each_other_end_with_the_last() -> None:
    sale = Freeze(begins=at(4, 0), ends=at(9, 0), why="sale")
    assert frozen([WEEKEND, sale], at(3, 0)) == (at(9, 0), sale)
    assert frozen([WEEKEND, sale], at(9, 0)) is None


@pytest.mark.parametrize(
    ("given", "path", "why"),
    [
        ({"weekly": "Friday 16:00 - Mon 08:00"}, "plan.freeze.0.weekly", "Fri 16:00 - Mon 08:00, in UTC"),
        ({"weekly": "Fri 16:00 - Fri 16:00"}, "plan.freeze.0.weekly", "ends at another time"),
        ({"begins": "2026-01-01T00:00:00Z"}, "plan.freeze.0", "needs begins and ends"),
        ({"why": "because"}, "plan.freeze.0", "either weekly, or begins and ends"),
        (
            {"begins": "2026-01-01T00:00:00", "ends": "2026-01-02T00:00:00Z"},
            "plan.freeze.0.begins",
            "timezone",
        ),
        ({"begins": "2026-01-02T00:00:00Z", "ends": "2026-01-01T00:00:00Z"}, "plan.freeze.0", "after begins"),
    ],
)
@pytest.mark.django_db
def test_a_window_that_makes_no_sense_names_its_place(given: dict[str, Any], path: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as caught:
        World().start(plan={**PLAN, "freeze": [given]})
    assert caught.value.field == path


def declare(world: World, *windows: dict[str, Any]) -> None:
    proxy.services.apply(document=document(freeze=list(windows)), by=ANN, reason="freeze", now=world.now)


@pytest.mark.django_db
def test_in_a_window_of_the_tier_no_rollout_begins_and_the_end_is_said() -> None:
    world = World()
    declare(world, TO_COME)
    with pytest.raises(Frozen) as caught:
        world.start()
    assert caught.value.why == (
        "steps up are frozen until Thu 2026-01-01 02:00 UTC by a window of the tier (night); "
        "wait, or change the tier's freeze"
    )
    assert not Rollout.objects.exists()


@pytest.mark.django_db
def test_a_window_holds_a_step_that_was_earned_and_lets_it_go_at_its_end() -> None:
    world = World(per_second=4000)
    soon, end = T0 + timedelta(seconds=2), T0 + timedelta(seconds=60)
    window = {"begins": soon.isoformat(), "ends": end.isoformat()}
    number = world.start(plan={**PLAN, "longest_stay": 20, "freeze": [window]})
    world.run(50)
    held = rollout(number)
    assert (held.state, held.weight) == ("running", 500)
    assert held.problem.startswith("passed, but steps up are frozen until Thu 2026-01-01 00:01 UTC")
    assert not messages("NEEDS_HUMAN")
    assert world.run(20, until=lambda: rollout(number).weight == 5000)


@pytest.mark.django_db
def test_a_window_stops_a_person_s_step_up_and_no_rollback() -> None:
    world = World()
    number = world.start(mode="approve")
    declare(world, TO_COME)
    for up in (services.skip, services.promote):
        with pytest.raises(Frozen, match="roll back, wait, or change the tier's freeze"):
            up(rollout_id=number, by=ANN, reason="please", now=world.now)
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    assert world.run(5, until=lambda: state(number) == "rolled_back")


@pytest.mark.django_db
def test_the_judge_rolls_back_in_a_window() -> None:
    world = World()
    number = world.start()
    declare(world, TO_COME)
    world.fails["shop-v2"] = 0.3
    assert world.run(20, until=lambda: state(number) == "rolled_back")


@pytest.mark.django_db
def test_a_window_holds_the_end_of_a_bake() -> None:
    world = World(per_second=4000)
    number = world.start(plan={"steps": [5000], "warm_up": 0, "bake": {"seconds": 5, "warm": 1000}})
    assert world.run(60, until=lambda: state(number) == "baking")
    declare(world, TO_COME)
    world.run(20)
    assert (state(number), rollout(number).weight) == ("baking", 9000)
    assert rollout(number).problem.startswith("baked, but steps up are frozen until")


@pytest.mark.django_db
def test_what_holds_a_rollout_is_asked_by_as_many_queries_with_many_windows(
    django_assert_num_queries: Any,
) -> None:
    world = World()
    for windows in (1, 200):
        many = [{"weekly": f"Mon {n % 24:02}:00 - Mon {n % 24:02}:59", "why": str(n)} for n in range(windows)]
        world.now += timedelta(seconds=1)
        declare(world, *many)
        freezes.holding("edge", "shop", Plan(), now=T0)
        with django_assert_num_queries(3):
            freezes.holding("edge", "shop", Plan(), now=T0)
