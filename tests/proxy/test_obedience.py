"""What a proxy shows of a patch: it proves it, contradicts it, or says nothing of it."""

from collections.abc import Mapping
from typing import Any

import pytest

from proxy import schema
from proxy.domain import obedience
from proxy.domain.obedience import Reading, Shown
from proxy.domain.patches import apply_patches
from proxy.domain.tier import Tier
from proxy.domain.translate import kinds, resources
from proxy.validation import BLANK
from tests.proxy.factories import tier, weights

BASE = tier()
PATCHES: dict[str, dict[str, Any]] = {
    "retries off": {"kind": "retry_off", "route": "shop"},
    "weights": weights(700),
    "a retry budget": {"kind": "retry_budget", "upstream": "shop-v1", "percent": 5},
    "a shorter queue": {"kind": "circuit_breaker", "upstream": "shop-v1", "max_pending_requests": 8},
    "a share shed": {"kind": "shed", "upstream": "shop-v1", "percent": 20},
    "ejection": {"kind": "outlier_detection", "upstream": "shop-v1"},
    "connections that end": {
        "kind": "upstream_cycling",
        "upstream": "shop-v1",
        "max_connection_duration": "9s",
    },
    "in turn": {"kind": "lb_policy", "upstream": "shop-v1", "lb_policy": "round_robin"},
    "less patience": {"kind": "limits", "request_headers_timeout": "1s"},
    "fewer connections": {"kind": "limits", "max_connections": 7},
    "clients go round": {"kind": "connection_cycling", "max_requests_per_connection": 5},
    "a penalty": {"kind": "penalty", "prefixes": ["198.51.100.0/24"]},
    "the brake": {"kind": "accept_brake"},
    "a drain": {"kind": "drain", "upstream": "shop-v1", "endpoints": ["127.0.0.1:11001"]},
}
SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "dynamic_active_clusters": (kinds.CLUSTER, ("cluster",)),
    "dynamic_listeners": (kinds.LISTENER, ("active_state", "listener")),
    "dynamic_route_configs": (kinds.ROUTES, ("route_config",)),
    "dynamic_endpoint_configs": (kinds.ENDPOINTS, ("endpoint_config",)),
}


def wrapped(resource: Any, *within: str) -> Any:
    for name in reversed(within):
        resource = {name: resource}
    return resource


def shown(live: Tier) -> Shown:
    """What a proxy shows that runs the live tier."""
    made = resources(base=BASE, live=live, proxy="edge-1", material=BLANK)
    keys: Mapping[str, Any] = made[kinds.RUNTIME]["sluice"]["layer"]
    entries = {key: {"final_value": str(value).lower()} for key, value in keys.items()}
    sections = {
        name: {"configs": [wrapped(each, *within) for each in made[kind].values()]}
        for name, (kind, within) in SECTIONS.items()
    }
    return Shown(sections, {"entries": entries})


def read(patch: dict[str, Any], seen: Shown, *beside: dict[str, Any]) -> Reading:
    plain = schema.bundled().plain
    return obedience.read(BASE, patch, beside=beside, proxy="edge-1", shown=seen, plain=plain)


@pytest.mark.parametrize("case", PATCHES)
def test_a_proxy_that_runs_it_proves_it(case: str) -> None:
    found = read(PATCHES[case], shown(apply_patches(BASE, [PATCHES[case]])))
    assert found.proven, found
    assert not found.contradicts


@pytest.mark.parametrize("case", PATCHES)
def test_a_proxy_that_runs_the_base_contradicts_it(case: str) -> None:
    found = read(PATCHES[case], shown(BASE))
    assert found.contradicts, found
    assert not found.proven


@pytest.mark.parametrize("case", PATCHES)
def test_a_proxy_that_shows_nothing_neither_proves_nor_contradicts(case: str) -> None:
    assert read(PATCHES[case], Shown()) == Reading("not shown in the dump")


@pytest.mark.parametrize("case", PATCHES)
def test_another_patch_beside_it_changes_nothing_about_it(case: str) -> None:
    others = [each for name, each in PATCHES.items() if name != case]
    assert read(PATCHES[case], shown(apply_patches(BASE, [*others, PATCHES[case]])), *others).proven


def test_it_says_which_field_it_is_and_what_it_is() -> None:
    queue, key = PATCHES["a shorter queue"], "circuit_breakers.shop-v1.default.max_pending_requests"
    assert read(queue, shown(BASE)).says == f"runtime {key} is (none), not 8"
    in_turn = PATCHES["in turn"]
    assert read(in_turn, shown(BASE)).says == "cluster shop-v1: lb_policy is LEAST_REQUEST, not (none)"
    off = PATCHES["retries off"]
    live = apply_patches(BASE, [off])
    assert "num_retries is 0" in read(off, shown(live)).says


def test_a_patch_that_is_not_tighter_than_the_base_says_so() -> None:
    lax = {"kind": "limits", "request_headers_timeout": "1h"}
    assert read(lax, shown(BASE)) == Reading("changes nothing here: the tier is as tight without it")


def test_a_proxy_that_is_told_to_be_left_says_so_elsewhere() -> None:
    assert read({"kind": "drain_proxy", "proxy": "edge-1"}, shown(BASE)) == Reading("not shown in the dump")
