"""The runtime layer: what changes often and must be obeyed at once."""

from typing import Any

from proxy.domain.tier import Route, Tier, Upstream
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


def beneath(base: Tier, live: Tier) -> Tier:
    """The live tier as it would be without its layer: live's arms at the base's weights, the base's budgets.

    It is `base` itself where the layer carries all that differs, so that nothing else need be made or sent.
    """
    routes = tuple(map(_at_base_weights, base.routes, live.routes))
    upstreams = tuple(map(_at_base_budget, base.upstreams, live.upstreams))
    below = live.model_copy(update={"routes": routes, "upstreams": upstreams})
    return base if below == base else below


def _at_base_weights(base: Route, live: Route) -> Route:
    if base is live:
        return live
    split = {arm: base.split.get(arm, 0) for arm in live.split}
    return live.model_copy(update={"split": split})


def _at_base_budget(base: Upstream, live: Upstream) -> Upstream:
    if base is live:
        return live
    return live.model_copy(update={"retry_budget": base.retry_budget})


def _weights(tier: Tier) -> dict[str, Any]:
    """Of the routes that have a choice: those with one arm would only make the layer long."""
    return {
        f"{runtime_prefix(route.name)}.{arm}": weight
        for route in tier.routes
        if len(route.split) > 1
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
