"""Copies of requests before the first step: bounded, judged once by themselves, and nobody's evidence."""

from typing import Any

import pytest

import proxy.selectors
from canary import services
from canary.domain.copies import Copies, Counted, counted, judged
from canary.domain.errors import Refused
from canary.models import Observation
from telemetry.domain.errors import MetricsUnavailable
from telemetry.domain.series import Series
from tests.canary.factories import ANN, PLAN, PROXIES, World, messages, rollout, state
from tests.proxy.factories import document

pytestmark = pytest.mark.django_db

ARM = "sluice_mirror_shop_shop-v2"


class Copying(World):
    """The proxies copy as they are told, and count copies as Envoy does: by their own arm, with no route."""

    def __init__(self) -> None:
        super().__init__()
        routes = [{**document()["tiers"][0]["routes"][0], "methods": ["GET"]}]
        proxy.services.apply(document=document(routes=routes), by=ANN, reason="reads only", now=self.now)

    def scrape(self, missed: Any = ()) -> None:
        for name, address in PROXIES.items():
            told = self.admin.chosen(address, "shop") if self.obeys else ()
            if any("copies of 1000" in words for _, words in told):
                bad = round(20 * self.fails["shop-v2"])
                labels = {"route": "", "arm": ARM, "attempt": "1"}
                self._count(name, "envoy_sluice_attempt", 20 - bad, code="200", **labels)
                self._count(name, "envoy_sluice_attempt", bad, code="503", **labels)
        super().scrape(missed)


@pytest.fixture
def world() -> Copying:
    return Copying()


def with_mirror(**mirror: Any) -> dict[str, Any]:
    return {**PLAN, "steps": [0, 500], "mirror": {"seconds": 20, **mirror}}


def copying(world: World) -> bool:
    """Whether the tier should copy requests of the route now."""
    route = proxy.selectors.desired("edge", now=world.now).route("shop")
    return route is not None and route.mirror is not None


def test_copies_that_end_well_earn_the_first_step_once_their_time_is_over(world: Copying) -> None:
    number = world.start(plan=with_mirror())
    assert (world.split()["shop-v2"], copying(world)) == (0, True)
    world.run(19)
    assert (copying(world), rollout(number).step, state(number)) == (True, 0, "running")
    assert world.run(3, lambda: not copying(world)), "bounded by time"
    assert world.run(10, lambda: rollout(number).step == 1)
    assert (world.split()["shop-v2"], copying(world)) == (500, False)
    assert "copies failed: 0.00% to" in rollout(number).reason
    assert not Observation.objects.filter(weight=0).exists()


@pytest.mark.parametrize(("fails", "why"), [(0.5, "more than the 1.00%"), (0.0, "does not decide")])
def test_copies_that_fail_or_are_too_few_ask_a_person_and_roll_nothing_back(
    world: Copying, fails: float, why: str
) -> None:
    world.fails["shop-v2"] = fails
    number = world.start(plan=with_mirror(seconds=20 if fails else 4))
    assert world.run(40, lambda: state(number) == "needs_human"), state(number)
    assert why in rollout(number).reason
    assert (world.split()["shop-v2"], copying(world)) == (0, False)
    assert messages("NEEDS_HUMAN")
    services.resume(rollout_id=number, by=ANN, now=world.now)
    assert copying(world), "sent anew"
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    assert not copying(world)
    assert world.run(5, lambda: state(number) == "rolled_back")


def test_copies_end_in_time_though_it_is_paused_and_nobody_answers(world: Copying) -> None:
    number = world.start(plan=with_mirror())
    world.run(2)
    services.pause(rollout_id=number, by=ANN, now=world.now)
    world.obeys = False
    world.metrics.fail(MetricsUnavailable("gone"))
    assert world.run(25, lambda: not copying(world))
    assert state(number) == "paused"


def test_beside_those_who_ask_a_person_takes_the_step_though_the_copies_end_well(world: Copying) -> None:
    asked = [{"headers": [{"name": "x-canary", "exact": "always"}]}]
    number = world.start(plan={**with_mirror(), "match": asked})
    assert world.run(40, lambda: state(number) == "awaiting_approval"), state(number)
    assert "copies failed" in rollout(number).reason
    assert "no sample" in rollout(number).reason


def test_what_is_not_idempotent_is_copied_only_where_somebody_says_so(world: Copying) -> None:
    proxy.services.apply(document=document(), by=ANN, reason="every method", now=world.now)
    with pytest.raises(Refused, match="not idempotent") as caught:
        world.start(plan=with_mirror())
    assert caught.value.field == "plan.mirror"
    assert world.start(plan=with_mirror(any_method=True))


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({**PLAN, "mirror": {}}, "plan.steps"),
        (with_mirror(seconds=3601), "plan.mirror.seconds"),
        (with_mirror(share=0), "plan.mirror.share"),
    ],
)
def test_copies_without_a_bound_or_a_step_of_their_own_are_refused(
    world: Copying, plan: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refused) as caught:
        world.start(plan=plan)
    assert caught.value.field == field


def test_only_what_was_counted_since_the_copies_began_counts_also_after_a_restart() -> None:
    base = {"tier": "edge", "arm": ARM, "attempt": "1", "flags": "-"}
    series = [
        Series({**base, "code": "200"}, ((10.0, 100.0), (20.0, 150.0))),
        Series({**base, "code": "503"}, ((10.0, 9.0), (20.0, 4.0))),
        Series({**base, "code": "0"}, ((20.0, 7.0),)),
        Series({**base, "code": "503", "attempt": "2"}, ((20.0, 7.0),)),
    ]
    assert counted(series, since=12.0) == Counted(ended=54, failed=4)


def test_copies_are_judged_by_exact_limits() -> None:
    said = {
        one: judged(Copies(), Counted(*one))[0] for one in [(0, 0), (298, 0), (299, 0), (300, 3), (300, 8)]
    }
    assert said == {
        (0, 0): "undecided",
        (298, 0): "undecided",
        (299, 0): "pass",
        (300, 3): "undecided",
        (300, 8): "fail",
    }
