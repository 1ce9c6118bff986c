"""Which objectives a tier has, and what is wrong with one."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from proxy.domain.tier import Tier
from slo.domain.objectives import BadObjective, Objective, arithmetic, check, looser, of_tier, too_loose
from slo.domain.windows import Severity
from slo.domain.wording import promise


def tier(**changes: Any) -> Tier:
    return Tier.model_validate(
        {
            "name": "edge",
            "proxies": [{"name": "edge-1", "http_port": 1, "https_port": 2, "admin_port": 3}],
            "upstreams": [{"name": "shop-v1", "endpoints": [{"port": 4}]}],
            "routes": [{"name": "shop", "hosts": ["shop.test"], "upstream": "shop-v1"}],
            **changes,
        }
    )


LATENCY = Objective("edge", "fast", "added_latency", Decimal("0.99"), threshold_us=3000)


def test_a_tier_that_declares_none_is_held_to_its_requests_and_warned_of_its_health() -> None:
    found = of_tier(tier())

    assert [(o.name, o.target, o.route) for o in found] == [
        ("proxy-availability", Decimal("0.9995"), ""),
        ("added-latency", Decimal("0.99"), ""),
        ("shop-availability", Decimal("0.995"), "shop"),
        ("worker-cpu", Decimal("0.99"), ""),
        ("memory", Decimal("0.999"), ""),
        ("connections", Decimal("0.999"), ""),
        ("tls-handshakes", Decimal("0.99"), ""),
        ("retry-budget", Decimal("0.99"), ""),
    ]
    assert [o.severity for o in found] == ["page"] * 3 + ["ticket"] * 5
    for each in found:
        check(each)


def test_a_declared_objective_is_taken_exactly() -> None:
    declared = {
        "name": "shop",
        "kind": "route_availability",
        "target": 99.95,
        "route": "shop",
        "window_days": 28,
    }

    (found,) = of_tier(tier(objectives=[declared]))

    assert found.target == Decimal("0.9995")
    assert found.period == timedelta(days=28)
    assert found.runbook == "slo-burn"


def test_milliseconds_become_microseconds() -> None:
    declared = {"name": "fast", "kind": "added_latency", "target": 99, "threshold_ms": 3}

    (found,) = of_tier(tier(objectives=[declared]))

    assert found.threshold_us == 3000


def test_a_threshold_on_an_edge_is_fine() -> None:
    check(LATENCY)


@pytest.mark.parametrize(
    ("threshold", "nearest"),
    [(2500, "2 ms or 3 ms"), (10, "use 0.05 ms"), (2_000_000, "use 1000 ms")],
)
def test_a_threshold_between_edges_is_refused_with_the_nearest(threshold: int, nearest: str) -> None:
    with pytest.raises(BadObjective, match=nearest):
        check(replace(LATENCY, threshold_us=threshold))


def test_a_gateway_that_may_fail_as_often_as_its_services_is_pointed_out() -> None:
    gateway = Objective("edge", "proxy", "proxy_availability", Decimal("0.9995"))
    strict = Objective("edge", "shop", "route_availability", Decimal("0.999"), route="shop")
    loose = Objective("edge", "blog", "route_availability", Decimal("0.99"), route="blog")

    assert too_loose(gateway, [strict, loose, gateway]) == (strict,)
    assert arithmetic(gateway, strict) == (
        "proxy lets the gateway fail 0.05 % of requests; shop (99.9 %) leaves it 0.02 %, a fifth of its budget:"
        " what is behind it has to keep 99.95 % for 99.9 % in all; promise 99.98 % or more"
    )
    assert list(looser([gateway, strict, loose])) == [arithmetic(gateway, strict)]
    assert too_loose(strict, [loose]) == ()


def test_the_defaults_are_strict_enough() -> None:
    found = of_tier(tier())

    assert too_loose(found[0], found) == ()


@pytest.mark.parametrize(
    ("target", "severity", "problem"),
    [
        ("0.80", "page", "promise more than 83.33 %, or make it a ticket"),
        ("0.80", "ticket", ""),
        ("0.9995", "page", ""),
    ],
)
def test_a_target_that_no_alert_can_defend_is_refused(target: str, severity: Severity, problem: str) -> None:
    one = Objective("edge", "it", "proxy_availability", Decimal(target), severity=severity)
    if not problem:
        check(one)
        return
    with pytest.raises(BadObjective, match=problem):
        check(one)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "saturation", "resource": "buffers", "at_most": 1e7}, "used to at most 10,000,000 bytes"),
        ({"kind": "saturation", "resource": "memory", "at_most": 0.8}, "used to at most 80 %"),
        ({"kind": "gauge", "gauge": "up", "at_least": 2}, "of edge is at least 2"),
        ({"kind": "tls_fresh", "at_most": 0.5}, "makes at most 0.5 fresh TLS handshakes a second"),
    ],
    ids=lambda value: str(value["kind"]) if isinstance(value, dict) else "",
)
def test_a_bound_is_told_in_its_unit(fields: dict[str, Any], said: str) -> None:
    (one,) = of_tier(tier(objectives=[{"name": "a", "target": 99, "severity": "ticket", **fields}]))

    assert said in promise(one)
