"""Copies of requests by real Envoys: what a backend gets, what clients see of it, and where it is counted."""

from typing import Any

import pytest

from proxy.domain.errors import Invalid
from proxy.envoy_admin import EnvoyAdmin
from tests.proxy.test_real_splits import CANARY, SHOP, STABLE, arm, serve, shop
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

CLUSTER = f"sluice_mirror_shop_{CANARY}"


def copied(world: World, code_class: str) -> float:
    labels = {"envoy_cluster_name": CLUSTER, "envoy_response_code_class": code_class}
    return world.metric("envoy_cluster_upstream_rq_xx", **labels)


def overlay(world: World, **mirror: Any) -> int:
    split = {STABLE: 10000, CANARY: 0}
    patch = {"kind": "weights", "route": "shop", "weights": split, "mirror": {"upstream": CANARY, **mirror}}
    _, generation = world.put(patch, SHOP)
    world.wait_acked(generation)
    return generation


def test_copies_reach_the_canary_and_their_answers_nobody_and_are_counted_apart(world: World) -> None:
    serve(world, shop(0, methods=["GET"], sticky={"cookie": "sluice_uid"}))
    world.get("shop.test")
    before = world.metric("envoy_sluice_attempt", route="shop", arm=CANARY)
    stable = world.metric("envoy_sluice_attempt", route="shop", arm=STABLE)
    world.fault(CANARY, error_rate=1.0)
    overlay(world, share=10000)
    answers = [world.get("shop.test") for _ in range(20)]
    assert {(answer.status_code, arm(answer)) for answer in answers} == {(200, STABLE)}
    wait_until(lambda: copied(world, "5") == 20, timeout=5, what="twenty failed copies counted")
    assert world.metric("envoy_sluice_attempt", route="shop", arm=STABLE) == stable + 20
    assert world.metric("envoy_sluice_attempt", route="shop", arm=CANARY) == before
    assert world.metric("envoy_sluice_attempt", arm=CLUSTER, route="", attempt="1", code="500") == 20
    assert world.metric("envoy_sluice_rq", arm=CLUSTER) == 0
    assert (CANARY, "copies of 10000 in 10000") in EnvoyAdmin().chosen(world.admin(), "shop")


def test_a_share_is_copied_and_nothing_once_the_overlay_is_gone(world: World) -> None:
    serve(world, shop(0, methods=["GET"]))
    overlay(world, share=3000)
    began = copied(world, "2")
    for _ in range(200):
        world.get("shop.test")
    wait_until(lambda: copied(world, "2") - began > 30, timeout=5, what="copies counted")
    assert copied(world, "2") - began < 95
    world.calm()
    assert not EnvoyAdmin().chosen(world.admin(), "shop")
    wait_until(
        lambda: world.metric("envoy_cluster_membership_total", envoy_cluster_name=CLUSTER) == 0,
        timeout=5,
        what="the copies' cluster gone",
    )


def test_what_is_not_idempotent_is_copied_only_where_somebody_says_so(world: World) -> None:
    serve(world, shop(0))
    with pytest.raises(Invalid, match="not idempotent"):
        overlay(world, share=10000)
    overlay(world, share=10000, any_method=True)
    began = copied(world, "2")
    assert world.get("shop.test", method="POST", data="x").status_code == 200
    wait_until(lambda: copied(world, "2") == began + 1, timeout=5, what="the copy of a POST counted")
