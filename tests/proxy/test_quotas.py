"""Each proxy's share of a quota, and how a quota is described."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from proxy.domain.tier import Quota
from proxy.domain.translate import quotas
from tests.proxy import factories

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def buckets(proxies: int, **quota: Any) -> list[dict[str, Any]]:
    """The buckets of one quota in a tier of so many proxies."""
    named = [
        {"name": f"p{i}", "http_port": 1000 + i, "https_port": 2000 + i, "admin_port": 3000 + i}
        for i in range(proxies)
    ]
    route = {"name": "shop", "hosts": ["a.test"], "upstream": "shop-v1", "quotas": [quota]}
    table = quotas.of_table(factories.tier(proxies=named, routes=[route]))
    found: list[dict[str, Any]] = table["typed_per_filter_config"][quotas.LOCAL]["descriptors"]
    return found


@given(
    proxies=st.integers(1, 40),
    requests=st.integers(1, 10**6),
    unit=st.sampled_from(sorted(SECONDS)),
    burst=st.none() | st.integers(1, 10**6),
)
def test_the_shares_add_up_to_the_rate_and_nearly_to_the_burst(
    proxies: int, requests: int, unit: str, burst: int | None
) -> None:
    (bucket,) = buckets(proxies, requests=requests, unit=unit, burst=burst)
    share = bucket["token_bucket"]
    rate = proxies * share["tokens_per_fill"] / float(share["fill_interval"].removesuffix("s"))
    assert rate == pytest.approx(requests / SECONDS[unit], rel=1e-5)
    at_once = burst or requests
    assert at_once <= proxies * share["max_tokens"] < at_once + proxies


def test_each_client_has_a_bucket_of_its_own_and_some_another_one() -> None:
    made = buckets(1, requests=5, by="client", overrides={"acme": 50})
    which = {"key": "quota", "value": "shop/0"}
    assert [(one["entries"], one["token_bucket"]["max_tokens"]) for one in made] == [
        ([which, {"key": "value", "value": "acme"}], 50),
        ([which, {"key": "value"}], 5),
        ([which], 5),
    ]


@pytest.mark.parametrize(
    "quota",
    [
        {"requests": 0},
        {"requests": 1, "unit": "week"},
        {"requests": 1, "by": {}},
        {"requests": 1, "by": {"header": "x-a", "claim": {"provider": "idp", "claim": "a"}}},
        {"requests": 1, "by": {"header": "cookie"}},
        {"requests": 1, "by": {"claim": {"provider": "idp", "claim": []}}},
        {"requests": 1, "overrides": {"acme": 2}},
        {"requests": 1, "by": "client", "overrides": {"acme": 0}},
        {"requests": 1, "counted_by": "service", "burst": 2},
    ],
)
def test_a_quota_that_means_nothing_is_refused(quota: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Quota.model_validate(quota)
