"""From a tier to Envoy's resources, as the JSON that Envoy's own documents show. Pure: plain data in, plain
data out.

One file a concern. Weights and retry budgets go through the runtime layer, so that an overlay on them is one
small push that rebuilds no cluster and cuts no connection; everything else is in the resources proper.
"""

from collections.abc import Mapping
from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import (
    administration,
    authorisation,
    clusters,
    extensions,
    kinds,
    listeners,
    protection,
    quotas,
    routes,
    runtime,
    secrets,
    tracing,
)
from proxy.domain.translate.secrets import Material

Resources = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Type URL -> resource name -> resource, each with its `@type`."""


def resources(*, base: Tier, live: Tier, proxy: str, material: Material) -> Resources:
    """What one proxy of the tier should run. `live` is `base` with its overlays."""
    below = runtime.beneath(base, live)
    shared, own = of_tier(base, below, material), of_proxy(below, proxy, material)
    held = {**shared[kinds.SECRET], **own[kinds.SECRET]}
    return {**shared, **own, kinds.SECRET: held, **at_once(base, live)}


def of_tier(base: Tier, live: Tier, material: Material) -> Resources:
    """What every proxy of the tier has alike. `live` may be as it is beneath its runtime layer."""
    return {**beside_table(base, live, material), kinds.ROUTES: _named([routes.table(live)], "name")}


def beside_table(base: Tier, live: Tier, material: Material) -> Resources:
    """The same without the route table, which is the most of it in a large tier."""
    return {
        kinds.CLUSTER: _named(
            [*clusters.clusters(base, live), *clusters.mirrors(live), *_beside(live)], "name"
        ),
        kinds.ENDPOINTS: _named(clusters.assignments(live), "cluster_name"),
        kinds.SECRET: _named(secrets.secrets(base, material), "name"),
        kinds.EXTENSION: _named(extensions.extensions(base, material), "name"),
    }


def _beside(tier: Tier) -> list[dict[str, Any]]:
    """The services that the proxies ask or tell, and that no route leads to."""
    about = (protection, tracing, authorisation, quotas, administration)
    return [cluster for concern in about for cluster in concern.clusters(tier)]


def of_proxy(live: Tier, proxy: str, material: Material) -> Resources:
    """What a proxy has of its own; its secrets are beside those of the tier."""
    listening = _named(listeners.listeners(live, proxy), "name")
    return {kinds.LISTENER: listening, kinds.SECRET: secrets_of_proxy(live, proxy, material)}


def secrets_of_proxy(live: Tier, proxy: str, material: Material) -> dict[str, dict[str, Any]]:
    """Those that no other proxy has."""
    here = live.proxy(proxy)
    return _named(administration.own_secrets(live, here, material) if here is not None else [], "name")


def joined(shared: Resources, own: Mapping[str, Resources]) -> Resources:
    """What a tier's proxies share and what each has of its own, by its name, to be looked at in one go."""
    listening = {
        f"{proxy} {name}": resource
        for proxy, made in own.items()
        for name, resource in made[kinds.LISTENER].items()
    }
    held = {name: secret for made in own.values() for name, secret in made[kinds.SECRET].items()}
    return {**shared, kinds.LISTENER: listening, kinds.SECRET: {**shared[kinds.SECRET], **held}}


def at_once(base: Tier, live: Tier) -> Resources:
    """What changes often and goes before everything else."""
    return {kinds.RUNTIME: _named([runtime.layer(base, live)], "name")}


def _named(found: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {item[key]: item for item in found}
