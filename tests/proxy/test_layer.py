"""The layer that is pushed is made from what moved alone; it must be the one that would be made from nothing."""

from typing import Any

import pytest

from proxy.domain.patches import apply_patches
from proxy.domain.translate import clusters
from proxy.domain.translate.runtime import beneath, layer, resource, standing_keys
from tests.proxy.factories import tier, weights

PATCHES: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "weights": [weights(700)],
    "an arm that the route lacks": [
        {"kind": "weights", "route": "payments", "weights": {"payments": 9000, "shop-v2": 1000}}
    ],
    "a retry budget": [{"kind": "retry_budget", "upstream": "shop-v1", "percent": 5}],
    "shedding": [{"kind": "shed", "upstream": "shop-v1", "percent": 30}],
    "fewer connections": [{"kind": "limits", "max_connections": 500}],
    "the brake": [{"kind": "accept_brake"}],
    "several": [
        weights(1),
        {"kind": "retry_off", "route": "shop"},
        {"kind": "retry_budget", "upstream": "payments", "percent": 0},
    ],
}


@pytest.mark.parametrize("case", PATCHES)
def test_the_layer_of_what_moved_is_the_whole_layer(case: str) -> None:
    base = tier()
    live = apply_patches(base, PATCHES[case])
    assert layer(base, live) == resource(standing_keys(live))


def test_the_caps_of_a_pool_stand_in_the_layer_where_they_are_not_the_base_s() -> None:
    base = tier()
    live = apply_patches(
        base, [{"kind": "circuit_breaker", "upstream": "shop-v1", "max_pending_requests": 8}]
    )
    before, after = layer(base, base)["layer"], layer(base, live)["layer"]
    assert after == {**before, "circuit_breakers.shop-v1.default.max_pending_requests": 8}


@pytest.mark.parametrize(
    "patch",
    [
        {"kind": "circuit_breaker", "upstream": "shop-v1", "max_pending_requests": 8, "max_requests": 9},
        {"kind": "shed", "upstream": "shop-v1", "percent": 30},
        {"kind": "accept_brake"},
    ],
)
def test_what_the_layer_carries_rebuilds_nothing(patch: dict[str, Any]) -> None:
    base = tier()
    assert beneath(base, apply_patches(base, [patch])) is base


def test_a_drain_rebuilds_no_cluster_though_too_few_are_left_to_eject_one() -> None:
    three = {"name": "three", "endpoints": [{"port": 1}, {"port": 2}, {"port": 3}]}
    base = tier(upstreams=[three], routes=[])
    live = apply_patches(base, [{"kind": "drain", "upstream": "three", "endpoints": ["127.0.0.1:1"]}])
    assert clusters.clusters(base, live) == clusters.clusters(base, base)
