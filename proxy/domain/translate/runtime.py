"""The runtime layer: what changes often and must be obeyed at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.domain import budgets
from proxy.domain.tier import Route, Tier, Upstream
from proxy.domain.translate import administration, kinds
from proxy.domain.translate.listeners import listener_names
from proxy.domain.translate.splits import runtime_prefix

LAYER = "sluice"
"""The layer's name, in the bootstrap and as the resource's."""


def layer(tier: Tier) -> dict[str, Any]:
    """Weights, retry budgets and connection limits under the keys that Envoy reads on every request."""
    return resource({**_weights(tier.routes), **_budgets(tier.upstreams), **_limits(tier)})


def resource(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The layer with these keys."""
    return {"@type": kinds.RUNTIME, "name": LAYER, "layer": keys}


def moved(base: Tier, live: Tier) -> dict[str, Any]:
    """The keys of live's layer that the base's lacks or has otherwise; found in one look at each route."""
    routes = [new for old, new in zip(base.routes, live.routes, strict=True) if new is not old]
    upstreams = [new for old, new in zip(base.upstreams, live.upstreams, strict=True) if new is not old]
    return {**_weights(routes), **_budgets(upstreams)}


def beneath(base: Tier, live: Tier) -> Tier:
    """The live tier as it would be without its layer: live's arms at the base's weights, the base's budgets.

    It is `base` itself where the layer carries all that differs, so that nothing else need be made or sent.
    """
    routes = tuple(
        old if new is old else _at_base_weights(old, new)
        for old, new in zip(base.routes, live.routes, strict=True)
    )
    upstreams = tuple(
        old if new is old else new.model_copy(update={"retry_budget": old.retry_budget})
        for old, new in zip(base.upstreams, live.upstreams, strict=True)
    )
    below = live.model_copy(update={"routes": routes, "upstreams": upstreams})
    return base if below == base else below


def _at_base_weights(base: Route, live: Route) -> Route:
    return live.model_copy(update={"split": {arm: base.split.get(arm, 0) for arm in live.split}})


def _weights(routes: Iterable[Route]) -> dict[str, Any]:
    """Of the routes that have a choice: those with one arm would only make the layer long."""
    return {
        f"{runtime_prefix(route.name)}.{arm}": weight
        for route in routes
        if len(route.split) > 1
        for arm, weight in route.split.items()
    }


def _budgets(upstreams: Iterable[Upstream]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for upstream in upstreams:
        prefix = f"circuit_breakers.{upstream.name}.default.retry_budget"
        found[f"{prefix}.budget_percent"] = budgets.of_all(upstream.retry_budget.percent)
        found[f"{prefix}.min_retry_concurrency"] = upstream.retry_budget.min_concurrency
    return found


def _limits(tier: Tier) -> dict[str, Any]:
    listening = {
        f"envoy.resource_limits.listener.{name}.connection_limit": tier.limits.max_connections
        for name in listener_names(tier)
    }
    return {**listening, **administration.connection_limits(tier)}
