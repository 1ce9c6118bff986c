"""Cross-origin requests: preflights are answered here, and answers say who may read them."""

from typing import Any

from proxy.domain.tier import Route, Tier
from proxy.domain.tier.cors import Cors
from proxy.domain.translate import kinds

FILTER = "sluice.cors"


def filters(tier: Tier) -> list[dict[str, Any]]:
    """The first filter, since a preflight bears no credentials. Without a route's policy it does nothing."""
    if all(route.cors is None for route in tier.routes):
        return []
    return [kinds.extension(FILTER, "filters.http.cors.v3.Cors")]


def per_route(route: Route) -> dict[str, Any]:
    """The route's policy."""
    if route.cors is None:
        return {}
    return {FILTER: kinds.on_route("filters.http.cors.v3.CorsPolicy", **_policy(route.cors))}


def _policy(cors: Cors) -> dict[str, Any]:
    """A page of another origin gets an answer without a permission, to a preflight too: the backend is not
    asked, whose own permission would stand.
    """
    lists = {"allow_headers": cors.allow_headers, "expose_headers": cors.expose_headers}
    return {
        "allow_origin_string_match": [{"exact": origin} for origin in cors.allow_origins],
        "allow_methods": ", ".join(cors.allow_methods),
        **{name: ", ".join(headers) for name, headers in lists.items() if headers},
        "allow_credentials": cors.allow_credentials,
        "max_age": str(int(cors.max_age.total_seconds())),
        "forward_not_matching_preflights": False,
    }
