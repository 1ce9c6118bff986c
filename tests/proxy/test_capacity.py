"""What endpoints take, as declared: read by path, reckoned by weights, and no matter of Envoy's."""

from typing import Any

import pytest

from proxy.domain import document as declaration
from proxy.domain.capacity import declared_rps
from proxy.domain.errors import Invalid
from proxy.domain.tier import Upstream
from proxy.domain.translate import resources
from proxy.domain.translate.secrets import Material
from tests.proxy.factories import document, tier


def upstream(*endpoints: dict[str, Any], **changes: Any) -> Upstream:
    numbered = [{"port": 11000 + number, **one} for number, one in enumerate(endpoints)]
    return Upstream.model_validate({"name": "v1", "endpoints": numbered, **changes})


def test_healthy_endpoints_take_what_each_of_them_is_declared_to() -> None:
    assert declared_rps(upstream({}, {}, {}, capacity_rps=50)) == 150
    assert declared_rps(upstream({}, {}, {}, capacity_rps=50), healthy=2) == 100
    assert declared_rps(upstream({}, {}, capacity_rps=50), healthy=0) == 0


def test_the_endpoint_with_the_least_for_its_weight_bounds_them_all() -> None:
    assert declared_rps(upstream({"capacity_rps": 20}, {}, capacity_rps=50)) == 40
    assert declared_rps(upstream({"weight": 3, "capacity_rps": 90}, {"capacity_rps": 60})) == 120
    assert declared_rps(upstream({"weight": 3, "capacity_rps": 90}, {"capacity_rps": 60}), healthy=1) == 30


def test_one_endpoint_of_unknown_capacity_makes_it_unknown() -> None:
    assert declared_rps(upstream({"capacity_rps": 20}, {})) is None
    assert declared_rps(upstream({})) is None


@pytest.mark.parametrize("wrong", [0, -1, "many", float("inf")])
def test_a_capacity_that_is_none_is_named_by_its_path(wrong: Any) -> None:
    given = document()
    given["tiers"][0]["upstreams"][0]["endpoints"][1]["capacity_rps"] = wrong
    with pytest.raises(Invalid) as caught:
        declaration.parse(given)
    assert [path for path, _ in caught.value.errors] == ["tiers[0].upstreams[0].endpoints[1].capacity_rps"]


def test_envoy_is_not_told() -> None:
    declared = tier()
    upstreams = tuple(one.model_copy(update={"capacity_rps": 50.0}) for one in declared.upstreams)
    given = declared.model_copy(update={"upstreams": upstreams})
    material = Material(certificate="", key="", ticket_keys=())
    made = [resources(base=one, live=one, proxy="edge-1", material=material) for one in (declared, given)]
    assert made[0] == made[1]
