"""Upstreams as clusters, and their endpoints."""

from typing import Any

from proxy.domain.tier import Endpoint, Tier, Upstream, is_ip, seconds
from proxy.domain.translate import health, kinds, outliers, pools, tls


def clusters(base: Tier, live: Tier) -> list[dict[str, Any]]:
    """One cluster an upstream, under the upstream's name.

    How its endpoints are found, and whether there are enough to eject some, is as the base has it: a drain
    rebuilds no cluster.
    """
    pairs = zip(base.upstreams, live.upstreams, strict=True)
    return [
        _cluster(live, new if new is old else new.model_copy(update={"endpoints": old.endpoints}))
        for old, new in pairs
    ]


def mirrors(tier: Tier) -> list[dict[str, Any]]:
    """One more cluster for each route that sends copies."""
    return [_cluster(tier, upstream) for upstream in _mirrored(tier)]


def assignments(tier: Tier) -> list[dict[str, Any]]:
    """The endpoints of the upstreams whose addresses need no resolver, without those that are drained."""
    every = (*tier.upstreams, *_mirrored(tier))
    return [_assignment(upstream) for upstream in every if _by_address(upstream)]


def _mirrored(tier: Tier) -> list[Upstream]:
    """The upstreams that get copies, under the names of the clusters that these go to."""
    copying = [(route.name, route.mirror) for route in tier.routes if route.mirror is not None]
    known = {upstream.name: upstream for upstream in tier.upstreams} if copying else {}
    return [
        known[mirror.upstream].model_copy(update={"name": mirror.cluster(route)})
        for route, mirror in copying
        if mirror.upstream in known
    ]


def _cluster(tier: Tier, upstream: Upstream) -> dict[str, Any]:
    cluster: dict[str, Any] = {
        "@type": kinds.CLUSTER,
        "name": upstream.name,
        "connect_timeout": seconds(upstream.connect_timeout),
        **_discovery(upstream),
        **pools.balancing(upstream),
        **health.of_cluster(upstream),
        "per_connection_buffer_limit_bytes": tier.limits.buffer_bytes,
        "track_cluster_stats": {"per_endpoint_stats": True},
        "circuit_breakers": pools.circuit_breakers(upstream),
        "typed_extension_protocol_options": pools.protocol(upstream),
    }
    if upstream.tls is not None:
        alpn = pools.ALPN[upstream.protocol]
        cluster["transport_socket"] = tls.upstream(tier, upstream.tls, alpn=alpn)
    if upstream.ejects:
        cluster["outlier_detection"] = outliers.outlier_detection(upstream.outlier_detection)
    return cluster


def _by_address(upstream: Upstream) -> bool:
    return all(is_ip(endpoint.address) for endpoint in upstream.endpoints)


def _discovery(upstream: Upstream) -> dict[str, Any]:
    """EDS takes addresses only; host names are resolved by the proxy, all of the upstream's then."""
    if _by_address(upstream):
        return {"type": "EDS", "eds_cluster_config": {"eds_config": kinds.OVER_ADS}}
    assignment = {key: value for key, value in _assignment(upstream).items() if key != "@type"}
    return {"type": "STRICT_DNS", "load_assignment": assignment}


def _assignment(upstream: Upstream) -> dict[str, Any]:
    zones = dict.fromkeys(endpoint.zone for endpoint in upstream.endpoints)
    return {
        "@type": kinds.ENDPOINTS,
        "cluster_name": upstream.name,
        "endpoints": [_locality(upstream, zone) for zone in zones],
    }


def _locality(upstream: Upstream, zone: str | None) -> dict[str, Any]:
    found = [_endpoint(endpoint) for endpoint in upstream.endpoints if endpoint.zone == zone]
    return {**({"locality": {"zone": zone}} if zone else {}), "lb_endpoints": found}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    address = {"socket_address": {"address": endpoint.address, "port_value": endpoint.port}}
    weight = {"load_balancing_weight": endpoint.weight} if endpoint.weight > 1 else {}
    return {"endpoint": {"address": address}, **weight}
