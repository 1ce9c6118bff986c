"""What may be declared of a proxy's protection, and what becomes of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.domain.errors import Invalid
from proxy.domain.patches import apply_patches, check_target
from proxy.domain.tier import Protection, Tier
from proxy.domain.tier.fields import Declared
from proxy.domain.tier.logging import AccessLog, RouteLog
from proxy.domain.tier.tracing import Tracing
from proxy.domain.translate import kinds, manager, resources, uploads
from proxy.domain.translate.secrets import Material
from tests.proxy.factories import tier

MATERIAL = Material("certificate", "key", (b"t" * 80,))


def penalty(*prefixes: str, most: int = 3) -> dict[str, Any]:
    return {"kind": "penalty", "prefixes": list(prefixes), "max_connections": most}


def ranges(given: Tier) -> list[tuple[tuple[str, ...], int]]:
    return [(each.prefixes, each.max_connections) for each in given.protection.penalties]


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("198.51.100.7/24", "has host bits set"),
        ("0.0.0.0/0", "too wide a range: at most a /8"),
        ("2000::/3", "too wide a range: at most a /19"),
        ("shop.test", "not an address or a range"),
    ],
)
def test_a_range_that_says_something_else_than_it_means_is_refused(prefix: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Protection.model_validate({"penalties": [{"prefixes": [prefix]}]})


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        (AccessLog, {"which": "errors", "sampling": 5}),
        (RouteLog, {"sampling": 5}),
        (Tracing, {"sampling": 5}),
    ],
)
def test_a_sample_of_nothing_is_refused(settings: type[Declared], given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="sampling"):
        settings.model_validate(given)


def test_an_address_is_a_range_of_one() -> None:
    given = Protection.model_validate({"penalties": [{"prefixes": ["198.51.100.7", "2001:db8::1"]}]})
    assert given.penalties[0].prefixes == ("198.51.100.7/32", "2001:db8::1/128")


def test_a_range_stands_in_one_penalty_only() -> None:
    with pytest.raises(ValidationError, match=r"198\.51\.100\.0/24 stands in two penalties"):
        Protection.model_validate({"penalties": [{"prefixes": ["198.51.100.0/24"]}] * 2})


def test_sizes_are_written_with_their_unit() -> None:
    assert Protection.model_validate({"max_heap": "512MiB"}).max_heap == 512 << 20
    with pytest.raises(ValidationError, match="not a size: write 512MiB or 2GiB"):
        Protection.model_validate({"max_heap": "512MB"})


def test_a_penalty_is_laid_over_what_is_declared_and_takes_over_its_range() -> None:
    base = tier(protection={"penalties": [{"prefixes": ["192.0.2.0/24", "198.51.100.0/24"]}]})
    live = apply_patches(base, [penalty("192.0.2.0/24", most=1)])
    assert ranges(live) == [(("198.51.100.0/24",), 3), (("192.0.2.0/24",), 1)]
    check_target(base, "clients/penalty")


def test_a_penalty_for_everybody_is_refused_as_a_patch() -> None:
    with pytest.raises(Invalid, match="too wide a range"):
        apply_patches(tier(), [penalty("0.0.0.0/0")])


def test_a_penalty_changes_listeners_only_and_leaves_the_others_chain_as_it_was() -> None:
    base = tier()
    live = apply_patches(base, [penalty("192.0.2.0/24")])
    before, after = (
        resources(base=base, live=each, proxy="edge-1", material=MATERIAL) for each in (base, live)
    )
    assert {kind for kind in before if before[kind] != after[kind]} == {kinds.LISTENER}
    old, new = (made[kinds.LISTENER]["edge-https"] for made in (before, after))
    assert new["filter_chains"][1:] == old["filter_chains"]
    assert {**new, "filter_chains": ()} == {**old, "filter_chains": ()}


def test_nothing_is_counted_by_address_unless_a_cap_is_declared() -> None:
    made = resources(base=tier(), live=tier(), proxy="edge-1", material=MATERIAL)
    assert "sluice_connections" not in made[kinds.CLUSTER]
    assert "access_log" not in made[kinds.LISTENER]["edge-http"]


def test_a_log_is_short_for_what_it_logs_and_off_is_off_in_yaml() -> None:
    given = tier(access_log=False)
    assert given.access_log.which == "off"
    assert tier(access_log="all").access_log.which == "all"


def test_the_time_of_a_slow_upload_is_the_listeners_and_others_end_by_their_own() -> None:
    stub = {"hosts": ["a.test"], "timeout": "2s"}
    grpc = {"name": "grpc", "protocol": "http2", "endpoints": [{"port": 1}]}
    upstreams = [*tier().document()["upstreams"], grpc]
    routes = [
        {**stub, "name": "uploads", "prefix": "/up", "upstream": "shop-v1", "request_timeout": "3m"},
        {**stub, "name": "short", "prefix": "/short", "upstream": "shop-v1", "request_timeout": "5s"},
        {**stub, "name": "plain", "upstream": "shop-v1"},
        {**stub, "name": "sockets", "prefix": "/ws", "upstream": "shop-v1", "upgrade": ["websocket"]},
        {**stub, "name": "streams", "prefix": "/grpc", "upstream": "grpc"},
    ]
    given = tier(routes=routes, upstreams=upstreams, objectives=[])
    waited = uploads.patience(given)
    assert manager.connection_manager(given)["typed_config"]["request_timeout"] == "180s"
    ends = {route.name: uploads.of_route(waited, route) for route in given.routes}
    assert {name: end["max_stream_duration"]["max_stream_duration"] for name, end in ends.items() if end} == {
        "short": "7s",
        "plain": "32s",
    }


def test_without_such_a_route_no_stream_has_another_end() -> None:
    waited = uploads.patience(tier())
    assert [uploads.of_route(waited, route) for route in tier().routes] == [{}] * len(tier().routes)
