"""The HTTP filters of a tier, in the order in which a request meets them."""

from collections.abc import Callable
from typing import Any

from proxy.domain.tier import Route, Tier
from proxy.domain.translate import (
    authorisation,
    compression,
    cors,
    hedging,
    identity,
    kinds,
    measuring,
    quotas,
    retries,
    transcoding,
    transforming,
)

PerRoute = Callable[[Route], dict[str, Any]]


def http_filters(tier: Tier) -> list[dict[str, Any]]:
    """Who it is, whether it may, what becomes of its bytes, where it goes: the router is the last."""
    return [
        *cors.filters(tier),
        *identity.http_filters(tier),
        *authorisation.http_filters(tier),
        *quotas.http_filters(tier),
        *compression.filters(tier),
        *transforming.filters(tier),
        *transcoding.filters(tier),
        *hedging.filters(tier),
        _router(tier),
    ]


def per_route(tier: Tier) -> PerRoute:
    """What a route has of its own of each filter: `typed_per_filter_config`, by the filter's name.

    What depends on all routes is found out once: there may be 10,000.
    """
    limits = transforming.size_limits(tier)

    def own(route: Route) -> dict[str, Any]:
        return {
            **cors.per_route(route),
            **identity.per_route(tier, route),
            **authorisation.per_route(tier, route),
            **compression.per_route(tier, route),
            **transforming.per_route(route, limits),
            **transcoding.per_route(route),
            **hedging.per_route(route),
        }

    return own


def _router(tier: Tier) -> dict[str, Any]:
    """The filters below the router run in each attempt, before it is decided whether there is another."""
    mark = kinds.extension(
        "envoy.filters.http.lua",
        "filters.http.lua.v3.Lua",
        default_source_code={"inline_string": retries.MARK_RETRIABLE},
    )
    codec = kinds.extension(
        "envoy.filters.http.upstream_codec", "filters.http.upstream_codec.v3.UpstreamCodec"
    )
    return kinds.extension(
        "envoy.filters.http.router",
        "filters.http.router.v3.Router",
        upstream_log=measuring.attempt_logs(tier),
        upstream_http_filters=[*hedging.upstream_filters(tier), mark, codec],
    )
