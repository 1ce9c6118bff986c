"""Checks of a tier's defences: what they hold against, and where they do not know."""

from typing import Any

import pytest

from proxy.domain import observing
from proxy.domain.checks import CHECKS, NAMES, Subject, checked, pictured
from proxy.domain.checks.retries import amplification, layers
from proxy.domain.observing import Seen
from proxy.domain.patches import apply_patches, check_target, target_of
from proxy.domain.tier import Endpoint, Tier, Upstream
from tests.proxy.factories import tier

TRIO = {"name": "trio", "endpoints": [{"port": 1}, {"port": 2}, {"port": 3}]}
WELL = tier(upstreams=[TRIO], routes=[{"name": "t", "hosts": ["t.test"], "upstream": "trio"}])


def about(check: str, given: Tier, name: str = "", *, runs: Tier | None = None) -> Any:
    """The finding over the tier as declared, and as proxies show it that run `runs`; by default just this."""
    seen = {"edge-1": pictured(runs or given), "edge-2": pictured(given)}
    return checked(check, Subject(given, seen, name, (given,)))


def changed(**upstream: Any) -> Tier:
    return tier(upstreams=[{**TRIO, **upstream}], routes=[])


def foreign(**cluster: Any) -> Seen:
    """A cluster of an Envoy that somebody else configured."""
    named = {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "trio", **cluster}
    return observing.read({"configs": [named]})


UPSTREAMS = [name for name, check in CHECKS.items() if check.scope == "upstream"]
TIERS = [name for name, check in CHECKS.items() if check.scope == "tier"]


@pytest.mark.parametrize("name", UPSTREAMS)
def test_a_tier_that_says_nothing_is_well_upstream_by_upstream(name: str) -> None:
    assert about(name, WELL, "trio").holds is True


@pytest.mark.parametrize("name", [name for name in TIERS if name != "connection_limit_per_address"])
def test_a_tier_that_says_nothing_is_well_towards_its_clients(name: str) -> None:
    assert about(name, WELL).holds is True


@pytest.mark.parametrize("name", [*UPSTREAMS, *TIERS])
def test_what_is_declared_and_not_read_back_is_not_known_to_hold(name: str) -> None:
    capped = apply_patches(WELL, [{"kind": "limits", "max_connections_per_address": 9}])
    found = checked(name, Subject(capped, {}, "trio" if name in UPSTREAMS else ""))
    assert found.holds is None
    assert found.says.endswith("as declared; no proxy was read")


def test_nothing_read_is_not_known() -> None:
    assert [checked(name, Subject()).holds for name in NAMES] == [None] * len(NAMES)


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        ("outlier_detection", changed(outlier_detection={"enabled": False})),
        ("outlier_detection", changed(outlier_detection={"split_external_local_origin_errors": True})),
        ("outlier_detection", changed(outlier_detection={"max_ejection_percent": 10})),
        ("bounded_queue", changed(circuit_breaker={"max_pending_requests": 5000})),
        ("streams_balanced", changed(lb_policy="maglev", hash_on={"source_ip": True})),
    ],
)
def test_what_does_not_hold_says_what_would_mend_it_and_that_does(check: str, broken: Tier) -> None:
    found = about(check, broken, "trio")
    assert found.holds is False
    assert found.declare.startswith("upstreams: trio: ")
    check_target(broken, target_of(found.patch))
    if not broken.upstreams[0].outlier_detection.split_external_local_origin_errors:
        assert about(check, apply_patches(broken, [found.patch]), "trio").holds is True


@pytest.mark.parametrize(
    ("check", "limits"),
    [
        ("slow_client_timeouts", {"request_headers_timeout": "1h"}),
        ("slow_client_timeouts", {"request_timeout": "1h"}),
        ("slow_client_timeouts", {"idle_timeout": "1h"}),
        ("connection_limit_per_address", {}),
    ],
)
def test_patience_without_end_is_mended_by_a_patch_of_limits(check: str, limits: dict[str, Any]) -> None:
    broken = tier(limits=limits)
    found = about(check, broken)
    assert found.holds is False
    assert about(check, apply_patches(broken, [found.patch])).holds is True


def test_one_proxy_that_runs_something_else_is_named() -> None:
    found = about("bounded_queue", WELL, "trio", runs=changed(circuit_breaker={"max_pending_requests": 4000}))
    assert found.holds is False
    assert found.says == "edge-1: trio queues 4000 requests before it refuses one"


def test_envoy_s_defaults_are_no_defences() -> None:
    seen = {"proxy": foreign()}
    found = {name: checked(name, Subject(None, seen, "trio")) for name in UPSTREAMS}
    assert {name: each.holds for name, each in found.items()} == {
        "outlier_detection": False,
        "circuit_breaker": False,
        "bounded_queue": False,
        "streams_balanced": True,
    }
    assert found["bounded_queue"].says == "trio queues 1024 requests before it refuses one"


def test_outlier_detection_that_enforces_nothing_ejects_nothing() -> None:
    off = {"enforcing_consecutive_5xx": 0, "enforcing_success_rate": 0}
    seen = {"proxy": foreign(outlier_detection={"consecutive_gateway_failure": 5, **off})}
    found = checked("outlier_detection", Subject(None, seen, "trio"))
    assert (found.holds, found.says) == (False, "trio ejects on nothing: no detector is enforced")


def test_one_address_over_http2_may_hide_a_balancer_unless_its_connections_end() -> None:
    alone = {"endpoints": [{"port": 1}], "protocol": "http2"}
    assert about("streams_balanced", changed(**alone), "trio").holds is None
    ending = changed(**alone, connection={"max_requests_per_connection": 100})
    assert about("streams_balanced", ending, "trio").holds is True


def test_listeners_with_ticket_keys_of_their_own_do_not_share_them() -> None:
    context = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    chain = {
        "transport_socket": {"name": "tls", "typed_config": {"@type": context}},
        "filters": [{"name": "hcm", "typed_config": {"@type": manager, "stat_prefix": "in"}}],
    }
    listener = {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "in",
        "filter_chains": [chain],
    }
    seen = {"proxy": observing.read({"configs": [listener]})}
    found = {name: checked(name, Subject(None, seen)).holds for name in TIERS}
    assert found == {
        "connection_cycling": False,
        "resumption": True,
        "shared_ticket_keys": False,
        "slow_client_timeouts": False,
        "connection_limit_per_address": False,
    }


def chain_of(count: int, *, retrying: int) -> list[Tier]:
    """Tiers one before the other, of which the first so many retry twice."""
    return [_link(place, place < retrying, last=place == count - 1) for place in range(count)]


def _link(place: int, retries: bool, *, last: bool) -> Tier:
    ports = {"http_port": 10000 + place, "https_port": 20000 + place, "admin_port": 30000 + place}
    behind = 1 if last else 10001 + place
    route = {"name": "r", "hosts": ["*.test"], "upstream": "u", "retry": {"attempts": 2 if retries else 0}}
    return tier(
        name=f"t{place}",
        proxies=[{"name": f"p{place}", **ports}],
        upstreams=[{"name": "u", "endpoints": [{"port": behind}]}],
        routes=[route | {"hosts": ["shop.test"]} if place == 0 else route],
    )


def test_three_layers_of_three_attempts_make_27_of_one() -> None:
    tiers = chain_of(3, retrying=3)
    assert amplification(layers(tiers[0], "r", tiers)) == 27
    found = checked("single_layer_retries", Subject(tiers[0], {}, "r", tiers))
    assert found.holds is False
    assert found.says == "t0/r and t1/r and t2/r all retry: one request may become 27"


def test_a_layer_behind_another_that_retries_is_switched_off() -> None:
    tiers = chain_of(3, retrying=3)
    behind = checked("single_layer_retries", Subject(tiers[1], {}, "r", tiers))
    assert behind.holds is False
    first = checked("single_layer_retries", Subject(tiers[0], {}, "r", tiers))
    assert first.patch is None
    assert first.declare == "tier t1: routes: r: retry: {attempts: 0}"


def test_one_layer_that_retries_holds_and_says_what_is_not_known() -> None:
    tiers = chain_of(2, retrying=1)
    found = checked("single_layer_retries", Subject(tiers[0], {}, "r", tiers))
    assert found.holds is True
    assert found.says == "only t0/r retries, 3 attempts in all; what services behind it retry is not declared"


def test_tiers_that_lead_to_each_other_end_somewhere() -> None:
    one, other = chain_of(2, retrying=2)
    loop = other.model_copy(
        update={"upstreams": tuple(_to_port(upstream, 10000) for upstream in other.upstreams)}
    )
    assert [str(layer) for layer in layers(one, "r", [one, loop])] == ["t0/r", "t1/r"]


def _to_port(upstream: Upstream, port: int) -> Upstream:
    return upstream.model_copy(update={"endpoints": (Endpoint(port=port),)})
