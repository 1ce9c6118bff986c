"""A rollout's arms by real Envoys: who asks for the canary, who keeps it, and a baseline of its size."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from canary import services as rollouts
from canary.models import Rollout
from canary.selectors import rollout
from proxy import selectors
from proxy.envoy_admin import EnvoyAdmin
from telemetry.memory import InMemoryMetrics
from tests.proxy.test_real_splits import CANARY, STABLE, arm, canaries, serve, shop
from tests.proxy.world import BY, World
from tests.support.processes import wait_until
from tests.support.tokens import Issuer

pytestmark = pytest.mark.real

ASKED = {"headers": [{"name": "x-canary", "exact": "always"}]}
TESTER = {"cookies": [{"name": "tester", "present_match": True}]}
TOLD = (CANARY, "header x-canary is always")


@pytest.fixture
def begin(world: World) -> Iterator[Callable[..., int]]:
    """Starts a rollout on the shop, obeyed by both proxies; what is left of it ends with the test."""
    begun: list[int] = []

    def start(**plan: Any) -> int:
        given = {"warm_up": 0, "bake": {"seconds": 0}, **plan}
        number = rollouts.start(
            route="shop", upstream=CANARY, plan=given, mode="auto", by=BY, now=timezone.now()
        )
        begun.append(number)
        world.wait_acked(selectors.generation("edge"))
        return number

    yield start
    for number in Rollout.objects.live().filter(pk__in=begun).values_list("pk", flat=True):
        roll_back(world, number)


def roll_back(world: World, number: int) -> None:
    rollouts.rollback(rollout_id=number, by=BY, reason="enough", now=timezone.now())
    becomes(number, "rolled_back")


def becomes(number: int, state: str) -> None:
    def ticked() -> bool:
        rollouts.tick(metrics=InMemoryMetrics(), admin=EnvoyAdmin(), now=timezone.now())
        return rollout(number).row.state == state

    wait_until(ticked, timeout=10, what=f"the rollout {state}")


def approve(world: World, number: int) -> None:
    rollouts.approve(rollout_id=number, by=BY, now=timezone.now())
    world.wait_acked(selectors.generation("edge"))


def gets(world: World, **headers: str) -> set[str]:
    return {arm(world.get("shop.test", headers=headers)) for _ in range(6)}


def test_who_asks_gets_the_canary_and_nobody_else_until_a_person_steps_up(
    world: World, begin: Callable[..., int]
) -> None:
    serve(world, shop(0))
    number = begin(match=[ASKED, TESTER], steps=[0, 10000])
    assert gets(world) == {STABLE}
    assert gets(world, **{"x-canary": "always"}) == gets(world, cookie="tester=1") == {CANARY}
    assert TOLD in EnvoyAdmin().chosen(world.admin(), "shop")
    becomes(number, "awaiting_approval")
    roll_back(world, number)
    assert gets(world, **{"x-canary": "always"}) == gets(world, cookie="tester=1") == {STABLE}
    assert EnvoyAdmin().chosen(world.admin(), "shop") == frozenset()


def test_beside_weights_those_who_asked_are_counted_apart_on_connections_that_are_older_than_the_arm(
    world: World, begin: Callable[..., int]
) -> None:
    serve(world, {**shop(0), "name": "shop"})
    world.reconnect()
    world.get("shop.test")  # the connection is here before the arm is

    def counted(chosen: str) -> float:
        return world.metric("envoy_sluice_attempt", route="shop", arm=CANARY, chosen=chosen)

    asked, drawn = counted("attribute"), counted("")
    begin(match=[ASKED], steps=[1])
    for _ in range(5):
        assert arm(world.get("shop.test", headers={"x-canary": "always"})) == CANARY
    wait_until(lambda: counted("attribute") == asked + 5, timeout=5, what="five who asked")
    assert counted("") == drawn


def test_a_claim_of_a_checked_token_asks_for_the_canary(
    world: World, secrets: Path, begin: Callable[..., int]
) -> None:
    issuer = Issuer()
    (secrets / "idp.json").write_text(issuer.jwks)
    idp = {"name": "idp", "issuer": "https://idp.test", "audiences": ["shop"], "jwks": {"file": "idp.json"}}
    serve(world, shop(0, access={"jwt": "idp"}), jwt_providers=[idp])
    world.reconnect()
    begin(match=[{"claims": [{"provider": "idp", "claim": "group", "exact": "testers"}]}], steps=[0])
    assert gets(world, **issuer.bearer(group="testers")) == {CANARY}
    assert gets(world, **issuer.bearer(group="others")) == {STABLE}


def test_each_step_of_a_rollout_moves_visitors_into_the_canary_only(
    world: World, begin: Callable[..., int]
) -> None:
    serve(world, shop(0, sticky={"cookie": "sluice_uid"}))
    visitors = [f"visitor-{number}" for number in range(120)]
    number = begin(match=[ASKED], steps=[0, 1000, 3000, 6000])
    moved = [canaries(world, visitors)]
    for _ in range(3):
        becomes_approvable(number)
        approve(world, number)
        moved.append(canaries(world, visitors))
    assert moved[0] == set()
    assert moved[0] < moved[1] < moved[2] < moved[3]
    assert canaries(world, visitors, "EDGE_2") == moved[3]


def becomes_approvable(number: int) -> None:
    """As if the judge had passed the step: what is proven here is what the proxies do with the next."""
    Rollout.objects.filter(pk=number).update(state="awaiting_approval")


def test_a_baseline_gets_what_the_canary_gets(world: World, begin: Callable[..., int]) -> None:
    serve(world, shop(0))
    begin(steps=[3000], baseline={"upstream": "payments"})
    found = world.arms(300)
    assert sum(found.values()) == 300
    assert 55 <= found[CANARY] <= 125
    assert 55 <= found["payments"] <= 125


def test_a_rollout_copies_requests_for_a_while_and_steps_up_by_what_the_copies_met(
    world: World, begin: Callable[..., int]
) -> None:
    serve(world, shop(0, methods=["GET"]))
    number = begin(steps=[0, 500], mirror={"share": 10000, "seconds": 1, "most_failures": 0.1})
    arm_of_copies = f"sluice_mirror_shop_{CANARY}"

    def copied() -> float:
        return world.metric("envoy_sluice_attempt", arm=arm_of_copies, code="200")

    labels = {"tier": "edge", "arm": arm_of_copies, "attempt": "1", "code": "200", "flags": "-"}
    metrics, drawn = InMemoryMetrics(), world.metric("envoy_sluice_attempt", route="shop", arm=CANARY)
    metrics.add("envoy_sluice_attempt", labels, [(timezone.now() - timedelta(seconds=20), copied())])
    before = copied()
    assert {arm(world.get("shop.test")) for _ in range(40)} == {STABLE}
    wait_until(lambda: copied() == before + 40, timeout=5, what="forty copies")
    metrics.add("envoy_sluice_attempt", labels, [(timezone.now(), copied())])

    def stepped() -> bool:
        rollouts.tick(metrics=metrics, admin=EnvoyAdmin(), now=timezone.now())
        return Rollout.objects.get(pk=number).step == 1

    wait_until(stepped, timeout=20, what="the first step")
    assert "0 of 40 copies failed" in Rollout.objects.get(pk=number).reason
    world.wait_acked(selectors.generation("edge"))
    assert EnvoyAdmin().chosen(world.admin(), "shop") == frozenset()
    assert world.metric("envoy_sluice_attempt", route="shop", arm=CANARY) == drawn
