import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.errors import Invalid, UnknownTarget
from proxy.domain.patches import apply_patches, check_target, target_of
from tests.proxy.factories import tier, weights


@given(st.lists(st.integers(min_value=0, max_value=10000), max_size=5))
def test_weights_add_up_to_the_constant_total_after_any_patches(canaries):
    patched = apply_patches(tier(), [weights(canary) for canary in canaries])
    assert sum(patched.route("shop").split.values()) == 10000


def test_weights_that_do_not_add_up_are_refused():
    patch = {"kind": "weights", "route": "shop", "weights": {"shop-v1": 9000, "shop-v2": 999}}
    with pytest.raises(Invalid, match="9999"):
        apply_patches(tier(), [patch])


def test_an_arm_that_the_patch_does_not_name_gets_nothing():
    patch = {"kind": "weights", "route": "shop", "weights": {"shop-v2": 10000}}
    assert apply_patches(tier(), [patch]).route("shop").split == {"shop-v1": 0, "shop-v2": 10000}


def test_retry_off_leaves_no_retry_on_that_route_only():
    patched = apply_patches(tier(), [{"kind": "retry_off", "route": "shop"}])
    assert patched.route("shop").retry.attempts == 0
    assert patched.route("payments").retry.attempts == 2


def test_a_tighter_retry_budget_lowers_its_floor_too():
    patched = apply_patches(tier(), [{"kind": "retry_budget", "upstream": "shop-v1", "percent": 5}])
    assert patched.upstream("shop-v1").retry_budget.percent == 5
    assert patched.upstream("shop-v1").retry_budget.min_concurrency == 1


def test_each_patch_names_its_target():
    assert target_of(weights(1)) == "route/shop/weights"
    assert target_of({"kind": "retry_off", "route": "shop"}) == "route/shop/retry"
    budget = {"kind": "retry_budget", "upstream": "shop-v1", "percent": 5}
    assert target_of(budget) == "upstream/shop-v1/retry_budget"


def test_an_unknown_target_is_refused():
    with pytest.raises(UnknownTarget):
        check_target(tier(), "route/nope/weights")
    with pytest.raises(UnknownTarget):
        apply_patches(tier(), [{"kind": "retry_off", "route": "nope"}])
