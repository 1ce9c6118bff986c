"""How much of a tier a plan touches."""

from typing import Any

import pytest

from runbooks.domain.blast import left_out, routes_touched
from runbooks.domain.targets import splits_of
from tests.proxy.factories import tier

TIER = tier()


def drained(*labels: str) -> dict[str, Any]:
    return {"kind": "drain", "upstream": "shop-v1", "endpoints": list(labels)}


def gone(*proxies: str) -> list[dict[str, Any]]:
    return [{"kind": "drain_proxy", "proxy": name} for name in proxies]


@pytest.mark.parametrize(
    ("patch", "routes"),
    [
        ({"kind": "retry_off", "route": "shop"}, {"shop"}),
        ({"kind": "retry_budget", "upstream": "shop-v1"}, {"shop"}),
        ({"kind": "limits", "idle_timeout": "5s"}, {"shop", "payments"}),
        ({"kind": "accept_brake"}, {"shop", "payments"}),
        ({"kind": "connection_cycling"}, {"shop", "payments"}),
        ({"kind": "penalty", "prefixes": ["192.0.2.0/24"]}, set()),
        ({"kind": "drain_proxy", "proxy": "edge-1"}, set()),
    ],
)
def test_what_is_felt_on_the_whole_tier_touches_every_route(patch: dict[str, Any], routes: set[str]) -> None:
    assert routes_touched([patch], splits_of(TIER)) == routes


def test_one_proxy_of_two_may_be_left_out_and_never_the_last() -> None:
    assert left_out(gone("edge-1"), TIER, share=0.5) == ""
    assert left_out(gone("edge-1", "edge-2"), TIER, share=1.0) == "it would leave 2 of 2 proxies out"


def test_endpoints_are_counted_by_upstream_over_all_that_drain_them() -> None:
    ten = tier(
        upstreams=[
            {"name": "shop-v1", "endpoints": [{"port": 11001 + i} for i in range(10)]},
            {"name": "shop-v2", "endpoints": [{"port": 11020}]},
            {"name": "payments", "endpoints": [{"port": 11021}]},
        ]
    )
    patches = [drained(f"127.0.0.1:{11001 + i}") for i in range(3)]
    assert left_out(patches, ten, share=0.3) == ""
    assert left_out([*patches, drained("127.0.0.1:11009")], ten, share=0.3) == (
        "it would leave 4 of 10 endpoints of shop-v1 out"
    )


def test_what_drains_nothing_leaves_nothing_out() -> None:
    assert (
        left_out([{"kind": "accept_brake"}], tier(proxies=[TIER.model_dump()["proxies"][0]]), share=0.5) == ""
    )
