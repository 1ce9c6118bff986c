"""From a tier to Envoy's resources, as the JSON that Envoy's own documents show. Pure: plain data in, plain
data out.

One file a concern. Weights and retry budgets go through the runtime layer, so that an overlay on them is one
small push that rebuilds no cluster and cuts no connection; everything else is in the resources proper.
"""

from collections.abc import Mapping
from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import clusters, kinds, listeners, routes, runtime, secrets
from proxy.domain.translate.secrets import Material

Resources = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Type URL -> resource name -> resource, each with its `@type`."""


def resources(*, base: Tier, live: Tier, proxy: str, material: Material) -> Resources:
    """What one proxy of the tier should run.

    `live` is `base` with its overlays. The clusters come from the base, since their retry budgets are
    overridden by the runtime layer.
    """
    return {
        kinds.CLUSTER: _named(clusters.clusters(base), "name"),
        kinds.ENDPOINTS: _named(clusters.assignments(base), "cluster_name"),
        kinds.LISTENER: _named(listeners.listeners(base, proxy), "name"),
        kinds.ROUTES: _named([routes.table(live)], "name"),
        kinds.SECRET: _named(secrets.secrets(base, material), "name"),
        kinds.RUNTIME: _named([runtime.layer(live)], "name"),
    }


def _named(found: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {item[key]: item for item in found}
