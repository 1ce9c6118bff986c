"""The YAML that declares an objective declares that very objective."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from proxy.domain.tier import Objective as Declared
from slo.domain.declaring import written
from slo.domain.objectives import Objective, declared_as, of_tier
from tests.slo.recorded import tier


def again(one: Objective) -> Objective:
    (found,) = yaml.safe_load(written(one))["objectives"]
    return declared_as(one.tier, Declared.model_validate(found))


@pytest.mark.parametrize("one", of_tier(tier()), ids=lambda one: one.name)
def test_every_default_can_be_declared_as_it_is_shown(one: Objective) -> None:
    assert again(one) == one


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "added_latency", "threshold_us": 2500},
        {"kind": "backend_availability", "upstream": "shop-v1", "owner": "money: ü"},
        {"kind": "tls_resumption", "at_least": Decimal("0.8"), "severity": "ticket"},
        {"kind": "saturation", "resource": "buffers", "at_most": Decimal(67_108_864)},
        {"kind": "ratio", "bad": 'sum(rate(a{b="c"}[1m]))', "total": "sum(rate(a[1m]))\n# all"},
        {"kind": "gauge", "gauge": "up", "at_least": Decimal(0), "description": "x" * 300},
        {"kind": "retries", "calendar": "month", "period": timedelta(days=30), "runbook": "own"},
        {"kind": "proxy_availability", "period": timedelta(days=7), "target": Decimal("0.99995")},
    ],
    ids=lambda fields: str(fields["kind"]),
)
def test_what_is_shown_declares_it(fields: dict[str, Any]) -> None:
    one = Objective(**{"tier": "edge", "name": "it", "target": Decimal("0.999"), **fields})

    assert again(one) == one


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "total_latency", "route": "shop"}, "kind total_latency needs threshold_ms"),
        ({"kind": "ratio", "bad": "x"}, "kind ratio needs total"),
        (
            {"kind": "gauge", "gauge": "x", "resource": "memory", "at_most": 1},
            "resource belongs to kind saturation",
        ),
        ({"kind": "retry_budget", "route": "shop"}, "is of the whole tier or an upstream, not of a route"),
        ({"kind": "tls_resumption", "at_least": 30}, "at_least is a share of 1: 0.8 are 80 % (given: 30)"),
        ({"kind": "saturation", "resource": "memory", "at_most": 0}, "at_most is a share of 1"),
    ],
    ids=lambda value: str(value["kind"]) if isinstance(value, dict) else "",
)
def test_a_refusal_says_what_the_kind_needs(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        Declared.model_validate({"name": "a", "target": 99, "severity": "ticket", **fields})
