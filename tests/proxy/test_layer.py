"""The layer that is pushed is made from what moved alone; it must be the one that would be made from nothing."""

from typing import Any

import pytest

from proxy.domain.patches import apply_patches
from proxy.domain.translate.runtime import layer, moved, resource
from tests.proxy.factories import tier, weights

PATCHES: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "weights": [weights(700)],
    "an arm that the route lacks": [
        {"kind": "weights", "route": "payments", "weights": {"payments": 9000, "shop-v2": 1000}}
    ],
    "a retry budget": [{"kind": "retry_budget", "upstream": "shop-v1", "percent": 5}],
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
    assert resource({**layer(base)["layer"], **moved(base, live)}) == layer(live)
