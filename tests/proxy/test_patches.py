import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.errors import Invalid, UnknownTarget
from proxy.domain.patches import apply_patches, check_target, target_of
from tests.proxy.factories import split_of, tier, weights


@given(st.lists(st.integers(min_value=0, max_value=10000), max_size=5))
def test_weights_add_up_to_the_constant_total_after_any_patches(canaries: list[int]) -> None:
    patched = apply_patches(tier(), [weights(canary) for canary in canaries])
    assert sum(split_of(patched).values()) == 10000


def test_weights_that_do_not_add_up_are_refused() -> None:
    patch = {"kind": "weights", "route": "shop", "weights": {"shop-v1": 9000, "shop-v2": 999}}
    with pytest.raises(Invalid, match="9999"):
        apply_patches(tier(), [patch])


def test_an_arm_that_the_patch_does_not_name_gets_nothing() -> None:
    patch = {"kind": "weights", "route": "shop", "weights": {"shop-v2": 10000}}
    assert split_of(apply_patches(tier(), [patch])) == {"shop-v1": 0, "shop-v2": 10000}


def test_retry_off_leaves_no_retry_on_that_route_only() -> None:
    patched = apply_patches(tier(), [{"kind": "retry_off", "route": "shop"}])
    assert {route.name: route.retry.attempts for route in patched.routes} == {"shop": 0, "payments": 2}


def test_a_tighter_retry_budget_lowers_its_floor_too() -> None:
    patched = apply_patches(tier(), [{"kind": "retry_budget", "upstream": "shop-v1", "percent": 5}])
    budgets = {u.name: (u.retry_budget.percent, u.retry_budget.min_concurrency) for u in patched.upstreams}
    assert budgets == {"shop-v1": (5, 1), "shop-v2": (20, 3), "payments": (20, 3)}


def test_each_patch_names_its_target() -> None:
    assert target_of(weights(1)) == "route/shop/weights"
    assert target_of({"kind": "retry_off", "route": "shop"}) == "route/shop/retry"
    budget = {"kind": "retry_budget", "upstream": "shop-v1", "percent": 5}
    assert target_of(budget) == "upstream/shop-v1/retry_budget"


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(UnknownTarget):
        check_target(tier(), "route/nope/weights")
    with pytest.raises(UnknownTarget):
        apply_patches(tier(), [{"kind": "retry_off", "route": "nope"}])
