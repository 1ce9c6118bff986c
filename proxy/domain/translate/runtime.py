"""The runtime layer: what changes often and must be obeyed at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from proxy.domain import budgets
from proxy.domain.tier import Limits, Route, Tier, Upstream
from proxy.domain.translate import administration, kinds
from proxy.domain.translate.listeners import listener_names
from proxy.domain.translate.protection import ACCEPT_BRAKE
from proxy.domain.translate.splits import runtime_prefix

LAYER = "sluice"
"""The layer's name, in the bootstrap and as the resource's."""
_CAPS = ("max_connections", "max_pending_requests", "max_requests")
"""The fields of a circuit breaker that Envoy reads from the runtime, under these names."""


def layer(base: Tier, live: Tier) -> dict[str, Any]:
    """Weights, retry budgets and connection limits under the keys that Envoy reads on every request; caps of
    pools where they are not the base's, whose clusters have them.
    """
    return resource({**standing_keys(base), **moved(base, live)})


def standing_keys(base: Tier) -> dict[str, Any]:
    """The keys that the base has without any overlay."""
    return {**_weights(base.routes), **_of_upstreams(base.upstreams), **_limits(base)}


def resource(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The layer with these keys."""
    return {"@type": kinds.RUNTIME, "name": LAYER, "layer": keys}


def moved(base: Tier, live: Tier) -> dict[str, Any]:
    """The keys of live's layer that the base's lacks or has otherwise; found in one look at each route."""
    routes = [new for old, new in zip(base.routes, live.routes, strict=True) if new is not old]
    upstreams = [
        (old, new) for old, new in zip(base.upstreams, live.upstreams, strict=True) if new is not old
    ]
    return {
        **_weights(routes),
        **_of_upstreams([new for _, new in upstreams]),
        **{key: cap for old, new in upstreams for key, cap in _caps(old, new)},
        **(_limits(live) if live.limits is not base.limits else {}),
    }


def beneath(base: Tier, live: Tier) -> Tier:
    """The live tier as it would be without its layer: live's arms at the base's weights, the base's budgets
    and caps.

    It is `base` itself where the layer carries all that differs, so that nothing else need be made or sent.
    """
    routes = tuple(
        old if new is old else _at_base_weights(old, new)
        for old, new in zip(base.routes, live.routes, strict=True)
    )
    upstreams = tuple(
        old if new is old else _without_layer(old, new)
        for old, new in zip(base.upstreams, live.upstreams, strict=True)
    )
    same = live.limits is base.limits
    limits = base.limits if same else _without_brake(base.limits, live.limits)
    below = live.model_copy(update={"routes": routes, "upstreams": upstreams, "limits": limits})
    return base if below == base else below


def _at_base_weights(base: Route, live: Route) -> Route:
    return live.model_copy(update={"split": {arm: base.split.get(arm, 0) for arm in live.split}})


def _without_brake(base: Limits, live: Limits) -> Limits:
    return live.model_copy(update={"accept_brake": base.accept_brake})


def _without_layer(base: Upstream, live: Upstream) -> Upstream:
    caps = {name: getattr(base.circuit_breaker, name) for name in _CAPS}
    return live.model_copy(
        update={
            "retry_budget": base.retry_budget,
            "maintenance_mode": base.maintenance_mode,
            "circuit_breaker": live.circuit_breaker.model_copy(update=caps),
        }
    )


def _weights(routes: Iterable[Route]) -> dict[str, Any]:
    """Of the routes that have a choice: those with one arm would only make the layer long."""
    return {
        f"{runtime_prefix(route.name)}.{arm}": weight
        for route in routes
        if len(route.split) > 1
        for arm, weight in route.split.items()
    }


def _of_upstreams(upstreams: Iterable[Upstream]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for upstream in upstreams:
        prefix = f"circuit_breakers.{upstream.name}.default.retry_budget"
        found[f"{prefix}.budget_percent"] = budgets.of_all(upstream.retry_budget.percent)
        found[f"{prefix}.min_retry_concurrency"] = upstream.retry_budget.min_concurrency
        if upstream.maintenance_mode:
            found[f"upstream.maintenance_mode.{upstream.name}"] = upstream.maintenance_mode
    return found


def _caps(base: Upstream, live: Upstream) -> Iterator[tuple[str, int]]:
    for name in _CAPS:
        cap = getattr(live.circuit_breaker, name)
        if cap != getattr(base.circuit_breaker, name):
            yield f"circuit_breakers.{live.name}.default.{name}", cap


def _limits(tier: Tier) -> dict[str, Any]:
    listening = {
        f"envoy.resource_limits.listener.{name}.connection_limit": tier.limits.max_connections
        for name in listener_names(tier)
    }
    brake = {ACCEPT_BRAKE: True} if tier.limits.accept_brake else {}
    return {**listening, **brake, **administration.connection_limits(tier)}
