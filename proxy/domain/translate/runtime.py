"""The runtime layer: what changes often and must be obeyed at once."""

from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import kinds
from proxy.domain.translate.listeners import listener_names
from proxy.domain.translate.splits import arms, runtime_prefix

LAYER = "sluice"
"""The layer's name, in the bootstrap and as the resource's."""


def layer(tier: Tier) -> dict[str, Any]:
    """Weights, retry budgets and connection limits under the keys that Envoy reads on every request."""
    return {
        "@type": kinds.RUNTIME,
        "name": LAYER,
        "layer": {**_weights(tier), **_budgets(tier), **_limits(tier)},
    }


def _weights(tier: Tier) -> dict[str, Any]:
    return {
        f"{runtime_prefix(route.name)}.{arm}": weight
        for route in tier.routes
        for arm, weight in arms(tier, route)
    }


def _budgets(tier: Tier) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for upstream in tier.upstreams:
        prefix = f"circuit_breakers.{upstream.name}.default.retry_budget"
        found[f"{prefix}.budget_percent"] = upstream.retry_budget.percent
        found[f"{prefix}.min_retry_concurrency"] = upstream.retry_budget.min_concurrency
    return found


def _limits(tier: Tier) -> dict[str, Any]:
    return {
        f"envoy.resource_limits.listener.{name}.connection_limit": tier.limits.max_connections
        for name in listener_names(tier)
    }
