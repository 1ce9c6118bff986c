"""Which failures an objective's message names."""

import pytest

from slo.domain.faults import faults
from slo.domain.objectives import Kind
from telemetry.domain.series import Sample
from tests.slo.recorded import NOW, only

SHOP = {"tier": "edge", "route": "shop", "arm": "shop-v1", "code": "503"}
FAILURES = [
    Sample({**SHOP, "reason": "backend"}, 3.0, NOW),
    Sample({**SHOP, "reason": "circuit_open"}, 1.0, NOW),
    Sample({**SHOP, "arm": "shop-v2", "reason": "backend"}, 9.0, NOW),
    Sample({**SHOP, "route": "blog", "arm": "blog", "reason": "backend"}, 9.0, NOW),
]


def reasons(kind: Kind, **where: str) -> list[tuple[str, str]]:
    return [(fault.arm, fault.reason) for fault in faults(FAILURES, only(kind, "0.99", **where))]


def test_an_upstreams_objective_names_what_its_own_backends_failed() -> None:
    assert reasons("backend_availability", upstream="shop-v1") == [("shop-v1", "backend")]


def test_a_routes_objective_names_both_sides_and_the_proxys_only_its_own() -> None:
    both = [("shop-v2", "backend"), ("shop-v1", "backend"), ("shop-v1", "circuit_open")]
    assert reasons("route_availability") == both
    assert reasons("proxy_availability", route="shop") == [("shop-v1", "circuit_open")]


@pytest.mark.parametrize("kind", ["added_latency", "total_latency", "tls_handshakes", "saturation"])
def test_what_counts_no_answers_blames_no_answers(kind: Kind) -> None:
    assert reasons(kind) == []
