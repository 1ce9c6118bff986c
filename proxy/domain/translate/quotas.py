"""How much of a route each may take: counted in the proxies' memory, or by a service for all of them.

Each request is described once a quota that its route has, and each description has a token bucket. The
buckets stand once in the route table: its hosts, their arms and all listeners draw from the same ones. A new
table, such as a published revision's, begins with full buckets.
"""

import math
from collections.abc import Iterator
from typing import Any

from proxy.domain.tier import Quota, RateLimitService, Route, Tier, seconds
from proxy.domain.translate import companions, identity, kinds

LOCAL = "envoy.filters.http.local_ratelimit"
GLOBAL = "envoy.filters.http.ratelimit"
SERVICE = "sluice_rate_limit"
"""The cluster of the rate limit service."""
NOBODY = "(none)"
"""The value of a claim that a request does not have."""
MAX_BUCKETS = 10_000
"""So many clients or values have a bucket at a time; then the one longest unused goes, and is full again."""
_LOCAL = "filters.http.local_ratelimit.v3.LocalRateLimit"
_PLENTY = 2**32 - 1
_STAGES = {"proxy": 0, "service": 1}
_BY_HEADER, _BY_CLAIM, _BY_ADDRESS = "value", "claim", "masked_remote_address"


def http_filters(tier: Tier) -> list[dict[str, Any]]:
    """First those in memory: what they refuse need not be asked about.

    Their filter is always there, since connections keep the filters that they began with: a quota that is
    laid on somebody who does too much must not wait for him to leave.
    """
    found = [kinds.extension(LOCAL, _LOCAL, stat_prefix="quotas")]
    if tier.rate_limit_service is not None and any(_of(tier, "service")):
        found.append(_asks(tier.rate_limit_service))
    return found


def of_table(tier: Tier) -> dict[str, Any]:
    """The buckets of all routes, for the route table."""
    proxies = len(tier.proxies)
    buckets = [bucket for quota in _of(tier, "proxy") for bucket in _buckets(*quota, proxies=proxies)]
    if not buckets:
        return {}
    always = {"default_value": {"numerator": 100}}
    limit = kinds.configuration(
        _LOCAL,
        stat_prefix="quotas",
        filter_enabled=always,
        filter_enforced=always,
        stage=_STAGES["proxy"],
        enable_retry_after_header=True,
        rate_limited_as_resource_exhausted=True,
        # Required, and never empty: it is drawn from where a route has no quota.
        token_bucket={"max_tokens": _PLENTY, "tokens_per_fill": _PLENTY, "fill_interval": "1s"},
        max_dynamic_descriptors=MAX_BUCKETS,
        descriptors=buckets,
    )
    return {"typed_per_filter_config": {LOCAL: limit}}


def of_route(route: Route) -> dict[str, Any]:
    """How a route's requests are described, for its action."""
    found = [_described(route, place, quota) for place, quota in enumerate(route.quotas)]
    return {"rate_limits": found} if found else {}


def clusters(tier: Tier) -> list[dict[str, Any]]:
    """The service that counts, where there is one."""
    service = tier.rate_limit_service
    return [companions.cluster(SERVICE, [(service.address, service.port)])] if service else []


def _of(tier: Tier, counted_by: str) -> Iterator[tuple[Route, int, Quota]]:
    for route in tier.routes:
        for place, quota in enumerate(route.quotas):
            if quota.counted_by == counted_by:
                yield route, place, quota


def _described(route: Route, place: int, quota: Quota) -> dict[str, Any]:
    which = {"generic_key": {"descriptor_key": "quota", "descriptor_value": _key(route, place)}}
    found: dict[str, Any] = {
        "stage": _STAGES[quota.counted_by],
        "actions": [which, *_whose(quota)],
        # Here, so that routes without a quota bear no such headers.
        "x_ratelimit_option": "DRAFT_VERSION_03",
    }
    if quota.counted_by == "service":
        limit = {"requests_per_unit": quota.requests, "unit": quota.unit.upper()}
        found["limit"] = {"rate_limit": limit}
    return found


def _key(route: Route, place: int) -> str:
    return f"{route.name}/{place}"


def _whose(quota: Quota) -> list[dict[str, Any]]:
    """A request that lacks the header is described without it, and counts with all others that do."""
    if quota.header is not None:
        told = {"header_name": quota.header, "descriptor_key": _BY_HEADER, "skip_if_absent": True}
        return [{"request_headers": told}]
    if quota.claim is not None:
        path = [{"key": key} for key in (quota.claim.provider, *quota.claim.claim)]
        told = {"metadata_key": {"key": identity.JWT, "path": path}, "descriptor_key": _BY_CLAIM}
        return [{"metadata": {**told, "source": "DYNAMIC", "default_value": NOBODY}}]
    if quota.by == "remote_address":
        return [{"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}]
    return []


def _buckets(route: Route, place: int, quota: Quota, *, proxies: int) -> Iterator[dict[str, Any]]:
    """A bucket without a value is each value's own."""
    which = {"key": "quota", "value": _key(route, place)}
    key = _BY_HEADER if quota.header else _BY_CLAIM if quota.claim else None
    for value, requests in sorted(quota.overrides.items()):
        yield {"entries": [which, {"key": key, "value": value}], **_share(quota, requests, None, proxies)}
    share = _share(quota, quota.requests, quota.burst, proxies)
    if key is not None:
        yield {"entries": [which, {"key": key}], **share}
    elif quota.by == "remote_address":
        yield {"entries": [which, {"key": _BY_ADDRESS}], **share}
    if quota.by == "route" or quota.header is not None:
        yield {"entries": [which], **share}


def _share(quota: Quota, requests: int, burst: int | None, proxies: int) -> dict[str, Any]:
    """One proxy's share. Whole tokens, so that it may be rounded up; then it is filled the slower."""
    tokens = math.ceil(requests / proxies)
    interval = quota.period * (tokens * proxies / requests)
    bucket = {"max_tokens": math.ceil((burst or requests) / proxies), "tokens_per_fill": tokens}
    return {"token_bucket": {**bucket, "fill_interval": seconds(interval)}}


def _asks(service: RateLimitService) -> dict[str, Any]:
    at = {"envoy_grpc": {"cluster_name": SERVICE}, "timeout": seconds(service.timeout)}
    return kinds.extension(
        GLOBAL,
        "filters.http.ratelimit.v3.RateLimit",
        domain=service.domain,
        stage=_STAGES["service"],
        timeout=seconds(service.timeout),
        failure_mode_deny=service.failure_mode_deny,
        status_on_error={"code": "ServiceUnavailable"},
        rate_limit_service={"grpc_service": at, "transport_api_version": "V3"},
        enable_retry_after_header=True,
        # Not UNAVAILABLE, which a gRPC client would send again, and which is a failure of the proxy.
        rate_limited_as_resource_exhausted=True,
        disable_x_envoy_ratelimited_header=True,
    )
