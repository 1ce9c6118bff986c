"""Arms of a rollout beside the weights: who asks for the canary, and a baseline that it is compared with."""

from typing import Any

import pytest
from django.test import Client

import proxy.selectors
from access.domain.roles import Role
from canary import services
from canary.domain import shares
from canary.domain.errors import Refused
from canary.domain.plan import BadPlan, read
from canary.models import Observation
from tests.canary.factories import ANN, PLAN, PROXIES, World, messages, rollout, state
from tests.proxy.factories import document
from tests.support.people import person

pytestmark = pytest.mark.django_db

ASKED = {"headers": [{"name": "x-canary", "exact": "always"}]}
TOLD = ("shop-v2", "header x-canary is always")
BASELINE = {"upstream": "payments"}


@pytest.fixture
def world() -> World:
    made = World()
    made.fails["payments"] = 0.0
    return made


def laid(world: World) -> set[tuple[str, str]]:
    """The arms by attribute that the tier should have for the route now."""
    route = proxy.selectors.desired("edge", now=world.now).route("shop")
    assert route is not None
    return {arm.told for arm in route.arms}


def with_match(**plan: Any) -> dict[str, Any]:
    return {**PLAN, "match": [ASKED], **plan}


def test_who_asks_for_the_canary_gets_it_beside_the_weights_and_no_more_after_a_rollback(
    world: World,
) -> None:
    number = world.start(plan=with_match())
    assert (world.split()["shop-v2"], laid(world)) == (500, {TOLD})
    world.run(3)
    assert rollout(number).push["verified_at"]
    services.rollback(rollout_id=number, by=ANN, reason="enough", now=world.now)
    assert (world.split()["shop-v2"], laid(world)) == (0, set())
    assert world.run(5, lambda: state(number) == "rolled_back")
    assert laid(world) == set()


def test_arms_outlive_no_worker(world: World) -> None:
    number = world.start(plan=with_match())
    world.works = False
    world.run(121)
    assert laid(world) == set()
    world.works = True
    world.run(1)
    assert state(number) == "needs_human"
    services.resume(rollout_id=number, by=ANN, now=world.now)
    assert laid(world) == {TOLD}


def test_no_step_is_verified_before_every_proxy_shows_the_arms_and_no_rollback_before_they_are_gone(
    world: World,
) -> None:
    number = world.start(plan=with_match())
    world.obeys = False

    def show(chosen: set[tuple[str, str]], weight: int) -> None:
        for address in PROXIES.values():
            split = {"shop-v1": 10000 - weight, "shop-v2": weight}
            world.admin.runs(address, {"shop": split}, chosen={"shop": frozenset(chosen)})
        generation = proxy.selectors.generation("edge")
        proxy.services.record_ack(tier="edge", proxies=list(PROXIES), generation=generation, now=world.now)

    show(set(), 500)
    world.run(2)
    assert rollout(number).push["acked_at"]
    assert rollout(number).push["verified_at"] is None
    show({TOLD}, 500)
    assert world.run(2, lambda: bool(rollout(number).push["verified_at"]))
    services.rollback(rollout_id=number, by=ANN, now=world.now)
    show({TOLD}, 0)
    world.run(2)
    assert state(number) == "rolling_back"
    show(set(), 0)
    assert world.run(3, lambda: state(number) == "rolled_back")


def test_on_those_who_ask_alone_nothing_is_judged_and_a_person_steps_in_any_mode(world: World) -> None:
    world.fails["shop-v2"] = 1.0
    number = world.start(plan=with_match(steps=[0, 500], bake={"seconds": 0}))
    assert (world.split()["shop-v2"], laid(world)) == (0, {TOLD})
    world.run(20)
    assert state(number) == "awaiting_approval"
    assert "no sample" in rollout(number).reason
    assert not Observation.objects.exists()
    (asked,) = messages("APPROVAL")
    assert "shop-v2 is there for who asks for it on shop" in str(asked.payload)
    services.approve(rollout_id=number, by=ANN, now=world.now)
    assert (world.split()["shop-v2"], laid(world)) == (500, {TOLD})
    assert world.run(30, lambda: state(number) == "rolled_back"), "with weights it is judged"


def test_a_rollout_by_attribute_alone_is_promoted_by_a_person_only(world: World) -> None:
    number = world.start(plan=with_match(steps=[0], bake={"seconds": 0}))
    world.run(5)
    assert state(number) == "awaiting_approval"
    services.approve(rollout_id=number, by=ANN, now=world.now)
    assert world.run(10, lambda: state(number) == "promoted"), state(number)
    assert (world.split()["shop-v2"], laid(world)) == (10000, set())


@pytest.mark.parametrize(
    ("plan", "field", "why"),
    [
        ({"match": [{}]}, "match.0", "needs a condition"),
        ({"match": [{"headers": [{"name": "x"}]}]}, "match.0.headers.0", "exactly one"),
        (
            {"match": [{"headers": [{"name": "x-sluice-client", "exact": "a"}]}]},
            "match.0.headers.0",
            "claims",
        ),
        ({"match": [{"claims": [{"provider": "idp", "claim": "a", "exact": "b"}]}]}, "match.0.claims", "idp"),
        ({"steps": [0, 500]}, "steps", "add match"),
        ({"baseline": {"upstream": "nobody"}, "steps": [500]}, "baseline.upstream", "no upstream nobody"),
        ({"baseline": {"upstream": "shop-v1"}, "steps": [500]}, "baseline.upstream", "takes traffic"),
        ({"baseline": {"upstream": "shop-v2"}, "steps": [500]}, "baseline.upstream", "is the canary"),
        ({"baseline": BASELINE, "steps": [500, 5000]}, "steps", "stay below 5000"),
    ],
)
def test_arms_that_do_not_fit_are_refused_by_their_path_in_the_plan(
    world: World, plan: dict[str, Any], field: str, why: str
) -> None:
    with pytest.raises(Refused, match=why) as caught:
        world.start(plan=plan)
    assert caught.value.field.startswith(f"plan.{field}")
    assert not proxy.selectors.live_overlays("edge", now=world.now)


def test_observing_needs_a_weight(world: World) -> None:
    with pytest.raises(Refused, match="nothing is judged") as caught:
        world.start(plan=with_match(steps=[0]), mode="observe")
    assert caught.value.field == "plan.steps"


def test_who_asks_is_told_apart_only_where_the_canary_stands_by(world: World) -> None:
    routes = [{"name": "shop", "hosts": ["shop.test"], "split": {"shop-v1": 10000}}]
    proxy.services.apply(document=document(routes=routes), by=ANN, reason="without", now=world.now)
    with pytest.raises(Refused, match="must stand in the split of shop") as caught:
        world.start(plan=with_match())
    assert caught.value.field == "plan.match"


@pytest.mark.parametrize(
    ("order", "fits"), [("shop-v1 shop-v2 payments", False), ("shop-v2 shop-v1 payments", True)]
)
def test_a_baseline_takes_no_visitor_from_the_canary_of_a_sticky_route(
    world: World, order: str, fits: bool
) -> None:
    sticky = {"name": "shop", "hosts": ["shop.test"], "split": {"shop-v1": 10000, "shop-v2": 0}}
    upstreams = [{"name": name, "endpoints": [{"port": 11001}]} for name in order.split()]
    changed = document(upstreams=upstreams, routes=[{**sticky, "sticky": {"cookie": "uid"}}])
    proxy.services.apply(document=changed, by=ANN, reason="another order", now=world.now)
    plan = {**PLAN, "steps": [500, 2000], "baseline": BASELINE}
    if fits:
        assert world.start(plan=plan)
        return
    with pytest.raises(Refused, match="stable stands between") as caught:
        world.start(plan=plan)
    assert caught.value.field == "plan.baseline.upstream"


def test_a_baseline_is_as_large_as_the_canary_at_each_step_and_has_nothing_at_0_and_at_the_whole() -> None:
    plan = read({"steps": [1, 333, 4999], "baseline": BASELINE})
    base = {"shop-v1": 7000, "shop-v3": 3000, "shop-v2": 0}
    for share in (0, 1, 333, 4999, 9900, 10000):
        split = shares.split(plan, base, "shop-v2", share)
        assert sum(split.values()) == 10000
        assert split["shop-v2"] == share
        assert split["payments"] == (share if share < 5000 else 0)
    with pytest.raises(BadPlan, match="stay below 5000"):
        read({"baseline": BASELINE})


def test_a_canary_is_compared_with_its_baseline_and_not_with_a_warm_stable(world: World) -> None:
    world.per_second = 1000
    world.fails.update({"shop-v2": 0.05, "payments": 0.05, "shop-v1": 0.0})
    number = world.start(plan={**PLAN, "steps": [1000], "baseline": BASELINE})
    assert world.split() == {"shop-v1": 8000, "shop-v2": 1000, "payments": 1000}
    world.run(40)
    assert state(number) != "rolling_back"
    seen = Observation.objects.filter(rollout=number, weight=1000).latest("at").figures["first_attempt"]
    assert seen["canary"][0] == seen["control"][0] > 0


def test_a_canary_that_is_worse_than_its_baseline_is_rolled_back_though_stable_fails_alike(
    world: World,
) -> None:
    world.per_second = 1000
    world.fails.update({"shop-v2": 0.2, "payments": 0.0, "shop-v1": 0.2})
    number = world.start(plan={**PLAN, "steps": [1000], "baseline": BASELINE})
    assert world.run(40, lambda: state(number) == "rolled_back"), state(number)
    assert world.split() == {"shop-v1": 10000, "shop-v2": 0}


def test_the_page_says_what_goes_to_the_canary_beside_the_weights(world: World, client: Client) -> None:
    client.force_login(person(Role.OPERATOR))
    number = world.start(
        plan=with_match(steps=[0, 500], mirror={"any_method": True, "seconds": 30}, baseline=BASELINE)
    )
    world.run(3)
    shown = client.get(f"/rollouts/{number}/").content.decode()
    assert "Header x-canary is always: always shop-v2, at every step, and not judged." in shown
    assert "10 % of the requests are copied to shop-v2 for 30 s" in shown
    assert "Compared with payments, which gets as much as shop-v2." in shown
    assert "Control payments" in shown


def test_a_dry_run_shows_what_the_proxies_would_be_told_beside_the_weights(world: World) -> None:
    plan = with_match(steps=[0, 500], mirror={"any_method": True})
    found = services.rehearse(route="shop", upstream="shop-v2", plan=plan, mode="approve", now=world.now)
    told = "\n".join(found.changes)
    assert "x-canary" in told
    assert "sluice_mirror_shop_shop-v2" in told
    assert not proxy.selectors.live_overlays("edge", now=world.now)
