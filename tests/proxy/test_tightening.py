"""Patches that tighten: what they change of a tier, what they leave alone, and what is no patch."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain import document
from proxy.domain.difference import difference
from proxy.domain.errors import Invalid, UnknownTarget
from proxy.domain.patches import apply_patches, check_target, parse, target_of
from proxy.domain.tier import Tier, Upstream
from proxy.domain.translate import Resources, resources
from proxy.validation import BLANK, check_resources
from tests.proxy.factories import tier

GOLDEN = Path(__file__).parent / "golden"
CAPS = ("max_connections", "max_pending_requests", "max_requests")
HASHED = {
    "name": "hashed",
    "endpoints": [{"port": 1}, {"port": 2}],
    "lb_policy": "maglev",
    "hash_on": {"source_ip": True},
}


def patched(given: Tier, *patches: dict[str, Any]) -> Tier:
    return apply_patches(given, patches)


def upstream(given: Tier, name: str = "shop-v1") -> Upstream:
    found = given.upstream(name)
    assert found is not None
    return found


def made(base: Tier, live: Tier) -> Resources:
    return resources(base=base, live=live, proxy=base.proxies[0].name, material=BLANK)


@pytest.fixture(scope="module")
def overlays() -> tuple[Tier, dict[str, dict[str, Any]]]:
    """The tier of the golden pair and its patches by what they are for."""
    text = yaml.safe_load((GOLDEN / "overlays.yaml").read_text())
    (base,) = document.parse({"tiers": text["tiers"]})
    return base, text["overlays"]


def test_each_patch_makes_the_golden_changes_in_envoy_s_terms(
    overlays: tuple[Tier, dict[str, dict[str, Any]]], request: pytest.FixtureRequest
) -> None:
    base, patches = overlays
    found = {name: _told(base, patch) for name, patch in patches.items()}
    golden = GOLDEN / "overlays.json"
    if request.config.getoption("--update-golden", default=False):
        golden.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(golden.read_text())


def _told(base: Tier, patch: dict[str, Any]) -> dict[str, Any]:
    changes = difference(made(base, base), made(base, patched(base, patch)))
    return {"target": target_of(patch), "changes": [str(change) for change in changes]}


def test_the_schema_and_the_references_have_nothing_against_any_of_them(
    overlays: tuple[Tier, dict[str, dict[str, Any]]],
) -> None:
    base, patches = overlays
    assert [check_resources(made(base, patched(base, patch))) for patch in patches.values()] == [[]] * len(
        patches
    )


def test_every_target_can_be_leased(overlays: tuple[Tier, dict[str, dict[str, Any]]]) -> None:
    base, patches = overlays
    for patch in patches.values():
        check_target(base, target_of(patch))


caps = st.fixed_dictionaries({}, optional={name: st.integers(1, 2000) for name in CAPS}).filter(bool)


@given(caps, caps)
def test_no_patch_raises_a_cap(declared: dict[str, int], wanted: dict[str, int]) -> None:
    one = {"name": "one", "endpoints": [{"port": 1}], "circuit_breaker": declared}
    base = tier(upstreams=[one], routes=[])
    live = patched(base, {"kind": "circuit_breaker", "upstream": "one", **wanted})
    before, after = upstream(base, "one").circuit_breaker, upstream(live, "one").circuit_breaker
    assert all(getattr(after, name) <= getattr(before, name) for name in CAPS)
    assert all(getattr(after, name) <= value for name, value in wanted.items())


@given(st.integers(1, 600), st.integers(1, 600))
def test_no_patch_gives_a_client_more_time(declared: int, wanted: int) -> None:
    base = tier(limits={"request_headers_timeout": declared})
    live = patched(base, {"kind": "limits", "request_headers_timeout": wanted})
    assert live.limits.request_headers_timeout.total_seconds() == min(declared, wanted)


def test_a_limit_that_was_none_is_set_and_what_is_not_named_stays() -> None:
    base = tier()
    live = patched(base, {"kind": "limits", "max_connections_per_address": 8})
    assert live.limits == base.limits.model_copy(update={"max_connections_per_address": 8})


def test_what_is_hashed_is_balanced_by_requests() -> None:
    base = tier(upstreams=[HASHED], routes=[])
    live = upstream(patched(base, {"kind": "lb_policy", "upstream": "hashed"}), "hashed")
    assert (live.lb_policy, live.hash_on) == ("least_request", None)


def test_outlier_detection_is_on_and_sooner_and_lets_more_out() -> None:
    sooner = {"kind": "outlier_detection", "upstream": "shop-v1", "consecutive_failures": 3}
    base = tier()
    assert not upstream(base).ejects
    live = upstream(patched(base, {**sooner, "max_ejection_percent": 50}))
    assert live.ejects
    assert live.outlier_detection.consecutive_failures == 3
    assert live.outlier_detection.max_ejection_percent == 50


@pytest.mark.parametrize(
    "patch",
    [
        {"kind": "limits"},
        {"kind": "limits", "request_headers_timeout": "0s"},
        {"kind": "limits", "max_headers_kb": 8},
        {"kind": "connection_cycling"},
        {"kind": "upstream_cycling", "upstream": "shop-v1"},
        {"kind": "circuit_breaker", "upstream": "shop-v1"},
        {"kind": "circuit_breaker", "upstream": "shop-v1", "max_requests": 0},
        {"kind": "shed", "upstream": "shop-v1", "percent": 0},
        {"kind": "lb_policy", "upstream": "shop-v1", "lb_policy": "maglev"},
    ],
)
def test_what_tightens_nothing_or_is_no_limit_is_refused(patch: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        target_of(patch)


@pytest.mark.parametrize(
    "kind", ["circuit_breaker", "outlier_detection", "lb_policy", "upstream_cycling", "shed"]
)
def test_an_upstream_that_is_not_there_is_refused(kind: str) -> None:
    fields = {
        "circuit_breaker": {"max_requests": 1},
        "upstream_cycling": {"max_requests_per_connection": 1},
        "shed": {"percent": 1},
    }
    with pytest.raises(UnknownTarget, match="nobody"):
        patched(tier(), {"kind": kind, "upstream": "nobody", **fields.get(kind, {})})


def test_each_says_in_words_what_it_does(overlays: tuple[Tier, dict[str, dict[str, Any]]]) -> None:
    _, patches = overlays
    assert {name: parse(patch).words for name, patch in patches.items()} == {
        "clients' connections end": (
            "end clients' connections: max requests per connection 1000, max connection duration 60s"
        ),
        "connections to endpoints end": (
            "end connections to shop: max requests per connection 100, max connection duration 30s"
        ),
        "streams are balanced": "balance shop by least_request",
        "slow clients are cut sooner": (
            "tighten what clients may take: request headers timeout 2s, request timeout 10s,"
            " stream idle timeout 10s, idle timeout 5s"
        ),
        "slow readers are cut sooner": (
            "tighten what clients may take: stream flush timeout 3s,"
            " per connection buffer high watermark timeout 3s"
        ),
        "fewer connections": "tighten what clients may take: max connections 500",
        "a cap for each address": "tighten what clients may take: max connections per address 16",
        "a range is held short": "hold 198.51.100.0/24 to 2 connections",
        "fewer accepts": "pull the accept brake",
        "a shorter queue": (
            "tighten the circuit breaker of shop: max connections 32, max pending requests 8, max requests 64"
        ),
        "ejected sooner": "eject endpoints of shop sooner: consecutive failures 3, max ejection percent 50",
        "a share is shed": "answer 20 % of the requests to shop with a 503 at once",
    }
