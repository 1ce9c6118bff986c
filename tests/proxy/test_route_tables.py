"""What is pushed after a change is made from what changed; it must be what would be made from nothing."""

import time
from typing import Any

import pytest

from proxy import schema
from proxy.ads import route_tables
from proxy.ads.snapshot import Renderer, Snapshot
from proxy.domain.errors import Invalid
from proxy.domain.patches import apply_patches
from proxy.domain.tier import Tier
from proxy.domain.translate import kinds, routes
from proxy.validation import BLANK
from tests.proxy.factories import tier, weights

RETRY_OFF = {"kind": "retry_off", "route": "shop"}
OTHER_ARM = {"kind": "weights", "route": "payments", "weights": {"payments": 9000, "shop-v2": 1000}}
DRAIN = {"kind": "drain", "upstream": "shop-v1", "endpoints": ["127.0.0.1:11001"]}
BESIDE = {
    **weights(700),
    "arms": [{"upstream": "shop-v2", "match": {"headers": [{"name": "x-canary", "exact": "always"}]}}],
    "mirror": {"upstream": "payments", "share": 100, "any_method": True},
}
PATCHES: dict[str, list[dict[str, Any]]] = {
    "retries off": [RETRY_OFF],
    "an arm that the route lacks": [OTHER_ARM],
    "an endpoint drained": [DRAIN],
    "arms by attribute and copies": [BESIDE],
    "less patience": [{"kind": "limits", "request_headers_timeout": "1s", "max_connections": 9}],
    "ejection": [{"kind": "outlier_detection", "upstream": "shop-v1"}],
    "the brake": [{"kind": "accept_brake"}],
    "all at once": [RETRY_OFF, OTHER_ARM, DRAIN, weights(700)],
}


def rendered(renderer: Renderer, base: Tier, live: Tier) -> dict[str, Snapshot]:
    return renderer.snapshots(base=base, live=live, generation=1, material=BLANK)


@pytest.mark.parametrize("case", PATCHES)
def test_what_is_made_from_what_changed_is_what_would_be_made_from_nothing(case: str) -> None:
    base, renderer = tier(), Renderer()
    live = apply_patches(base, PATCHES[case])
    rendered(renderer, base, base)
    assert route_tables.alike(base, live)
    assert rendered(renderer, base, live) == rendered(Renderer(), base, live)
    assert rendered(renderer, base, base) == rendered(Renderer(), base, base)


def test_a_table_that_is_put_together_is_the_table_encoded() -> None:
    given = tier()
    assert route_tables.whole(given).encoded() == schema.bundled().encode(routes.table(given))


@pytest.mark.parametrize(
    "change",
    [
        {"proxy_protocol": True},
        {"routes": [{"name": "shop", "hosts": ["other.test"], "split": {"shop-v1": 10000, "shop-v2": 0}}]},
        {"limits": {"request_timeout": "8s"}},
    ],
)
def test_any_other_change_is_made_from_nothing(change: dict[str, Any]) -> None:
    assert not route_tables.alike(tier(), tier(**change))


def test_a_host_that_leads_nowhere_is_refused_though_the_others_are_not_looked_at() -> None:
    base, renderer = tier(), Renderer()
    rendered(renderer, base, base)
    route = base.routes[0].model_copy(update={"split": {"nowhere": 10000}})
    broken = base.model_copy(update={"routes": (route, *base.routes[1:])})
    with pytest.raises(Invalid, match="there is no cluster nowhere"):
        rendered(renderer, broken, broken)
    assert rendered(renderer, base, base) == rendered(Renderer(), base, base)


def test_retries_off_costs_the_route_and_not_the_table() -> None:
    names = [f"r{number}" for number in range(2000)]
    base = tier(routes=[{"name": name, "hosts": [f"{name}.test"], "upstream": "payments"} for name in names])
    renderer, began = Renderer(), time.process_time()
    before = rendered(renderer, base, base)["edge-1"].kinds[kinds.ROUTES]
    whole, began = time.process_time() - began, time.process_time()
    live = apply_patches(base, [{**RETRY_OFF, "route": "r7"}])
    after = rendered(renderer, base, live)["edge-1"].kinds[kinds.ROUTES]
    assert time.process_time() - began < whole / 5
    assert before.version != after.version
