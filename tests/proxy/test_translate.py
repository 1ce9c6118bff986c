"""Golden pairs: a declaration beside the resources made from it. `pytest tests/proxy --update-golden`
writes them anew.
"""

import json
from pathlib import Path

import pytest

from proxy import schema
from proxy.domain import document
from proxy.domain.patches import apply_patches
from proxy.domain.tier import Tier
from proxy.domain.translate import Resources, kinds, measuring, references, resources
from proxy.domain.translate.runtime import beneath
from proxy.domain.translate.secrets import Material
from tests.proxy.factories import split_of, tier, weights

GOLDEN = Path(__file__).parent / "golden"
MATERIAL = Material("certificate", "key", (b"t" * 80,))
CASES = {
    "access": (kinds.CLUSTER, kinds.EXTENSION, kinds.LISTENER, kinds.ROUTES),
    "tier": tuple(kinds.SPOKEN),
    "retries": (kinds.ROUTES,),
    "resilience": (kinds.CLUSTER, kinds.LISTENER, kinds.ROUTES),
    "matches": (kinds.ROUTES,),
    "routing": (kinds.ROUTES,),
    "upstreams": (kinds.CLUSTER, kinds.ENDPOINTS),
    "fleet": (kinds.CLUSTER, kinds.ENDPOINTS),
    "splits": (kinds.ROUTES, kinds.RUNTIME),
    "tls": (kinds.LISTENER, kinds.CLUSTER, kinds.SECRET),
    "protection": (kinds.LISTENER, kinds.CLUSTER, kinds.RUNTIME),
}


def made(given: Tier, live: Tier | None = None) -> Resources:
    return resources(base=given, live=live or given, proxy=given.proxies[0].name, material=MATERIAL)


@pytest.mark.parametrize("case", CASES)
def test_the_declaration_gives_the_golden_resources(case: str, request: pytest.FixtureRequest) -> None:
    (given,) = document.parse(document.load((GOLDEN / f"{case}.yaml").read_text(), environment={}))
    found = {kinds.SPOKEN[kind]: made(given)[kind] for kind in CASES[case]}
    golden = GOLDEN / f"{case}.json"
    if request.config.getoption("--update-golden", default=False):
        golden.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(golden.read_text())


@pytest.mark.parametrize("case", CASES)
def test_what_a_parser_does_to_one_translation_is_not_in_the_next(case: str) -> None:
    """Protobuf's takes `@type` out of what it reads and puts it back behind the rest."""
    (given,) = document.parse(document.load((GOLDEN / f"{case}.yaml").read_text(), environment={}))
    first = json.dumps(made(given))
    for named in made(given).values():
        for resource in named.values():
            schema.bundled().parse(resource)
    assert json.dumps(made(given)) == first


def test_a_weights_overlay_changes_runtime_and_nothing_else_so_that_no_table_is_sent() -> None:
    base = tier()
    before, after = made(base), made(base, apply_patches(base, [weights(500)]))
    assert {kind for kind in before if before[kind] != after[kind]} == {kinds.RUNTIME}


def test_an_overlay_with_an_arm_that_the_table_lacks_changes_the_table_too() -> None:
    base = tier()
    patch = {"kind": "weights", "route": "payments", "weights": {"payments": 9000, "shop-v2": 1000}}
    before, after = made(base), made(base, apply_patches(base, [patch]))
    assert {kind for kind in before if before[kind] != after[kind]} == {kinds.RUNTIME, kinds.ROUTES}
    assert after[kinds.RUNTIME]["sluice"]["layer"]["split.payments.shop-v2"] == 1000
    below = beneath(base, apply_patches(base, [patch]))
    assert split_of(below, "payments") == {"shop-v2": 0, "payments": 10000}


def test_a_retry_budget_overlay_changes_runtime_only_so_that_no_cluster_is_rebuilt() -> None:
    base = tier()
    patch = {"kind": "retry_budget", "upstream": "shop-v1", "percent": 5}
    before, after = made(base), made(base, apply_patches(base, [patch]))
    assert {kind for kind in before if before[kind] != after[kind]} == {kinds.RUNTIME}


def test_the_proxies_of_a_tier_differ_in_their_listeners_only() -> None:
    given = tier()
    one, two = (
        resources(base=given, live=given, proxy=name, material=MATERIAL) for name in ("edge-1", "edge-2")
    )
    assert {kind for kind in one if one[kind] != two[kind]} == {kinds.LISTENER}


def test_every_route_has_a_try_timeout_below_its_timeout() -> None:
    given = tier()
    tries = [route.per_try_timeout < route.timeout for route in given.routes]
    assert all(tries)


def test_a_small_upstream_ejects_nobody_unless_told_to() -> None:
    three = {"name": "three", "endpoints": [{"port": 1}, {"port": 2}, {"port": 3}]}
    two = {"name": "two", "endpoints": [{"port": 4}, {"port": 5}]}
    told = {**two, "name": "told", "outlier_detection": {"enabled": True}}
    given = tier(upstreams=[three, two, told], routes=[])
    assert {u.name: u.ejects for u in given.upstreams} == {"three": True, "two": False, "told": True}


def test_a_route_to_a_missing_cluster_is_found() -> None:
    given = tier()
    broken = {**made(given), kinds.CLUSTER: {}}
    assert ("route shop", "there is no cluster shop-v1") in references.problems(broken)


def test_the_backend_is_the_first_reason_that_is_tried() -> None:
    tried = measuring.reason_expression(tier())
    assert tried.startswith("response.code_details == 'via_upstream' ? 'backend' : ")
    assert measuring.REASONS[-1] == "other"


def test_added_latency_is_the_middle_of_its_bucket() -> None:
    under_100, under_300, under_500 = (f"{measuring._ADDED} <= duration('{us}us')" for us in (100, 300, 500))
    assert measuring.added_expression((100, 300, 500)) == (
        f"({under_100} ? 50 : ({under_300} ? 200 : ({under_500} ? 400 : 750)))"
    )


def test_no_request_needs_more_than_six_comparisons() -> None:
    depth = deepest = 0
    for character in measuring.added_expression():
        depth += {"(": 1, ")": -1}.get(character, 0)
        deepest = max(deepest, depth)
    assert deepest - 1 <= 6  # duration('...') has a pair of its own
