"""The route table: hosts and prefixes to weighted upstreams."""

from typing import Any

from proxy.domain.tier import Route, Tier, seconds
from proxy.domain.translate import filters, kinds, retries


def table(tier: Tier) -> dict[str, Any]:
    """One table a tier, under the tier's name; one virtual host a host."""
    hosts = dict.fromkeys(host for route in tier.routes for host in route.hosts)
    return {
        "@type": kinds.ROUTES,
        "name": tier.name,
        "virtual_hosts": [_virtual_host(tier, host) for host in hosts],
        # The tier answers for its hosts on every port of a proxy.
        "ignore_port_in_host_matching": True,
        "response_headers_to_remove": [retries.RETRIABLE],
        # References are checked before serving; Envoy cannot, where clusters come from CDS.
        "validate_clusters": False,
    }


def runtime_prefix(route: str) -> str:
    """Below this runtime key each arm has its weight, under the upstream's name."""
    return f"split.{route}"


def _virtual_host(tier: Tier, host: str) -> dict[str, Any]:
    """The longest prefix first, and before it the same with methods: Envoy takes the first match."""
    here = [route for route in tier.routes if host in route.hosts]
    here.sort(key=lambda route: (-len(route.prefix), not route.methods))
    return {
        "name": host,
        "domains": [host],
        # The router's log has no attempt number of its own; this request header is where it is read from.
        "include_request_attempt_count": True,
        "routes": [_route(tier, route) for route in here],
    }


def _route(tier: Tier, route: Route) -> dict[str, Any]:
    own = filters.per_route(tier, route)
    return {
        "name": route.name,
        "match": _match(route),
        **({"typed_per_filter_config": own} if own else {}),
        "route": {
            "timeout": seconds(route.timeout),
            "weighted_clusters": {
                "runtime_key_prefix": runtime_prefix(route.name),
                "clusters": [{"name": arm, "weight": weight} for arm, weight in arms(tier, route)],
            },
            "retry_policy": retries.policy(route),
        },
    }


def arms(tier: Tier, route: Route) -> list[tuple[str, int]]:
    """The split in the order of the declared upstreams: a steady order keeps the set of a ramp's clients
    nested.
    """
    order = {upstream.name: place for place, upstream in enumerate(tier.upstreams)}
    return sorted(route.split.items(), key=lambda arm: order.get(arm[0], len(order)))


def _match(route: Route) -> dict[str, Any]:
    """`/api` takes `/api` and `/api/x` but not `/apix`; a prefix that ends with a slash is taken as it is."""
    key = "prefix" if route.prefix.endswith("/") else "path_separated_prefix"
    match: dict[str, Any] = {key: route.prefix}
    if route.methods:
        methods = {"safe_regex": {"regex": "|".join(route.methods)}}
        match["headers"] = [{"name": ":method", "string_match": methods}]
    return match
