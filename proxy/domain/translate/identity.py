"""Who sent a request: tokens, and what each route demands of them.

The filter's own configuration holds key material, so it reaches the proxies as an extension of its own: keys
that change rebuild no listener, and no connection is drained for them.
"""

from collections.abc import Iterator
from typing import Any

from proxy.domain.tier import Route, Tier, seconds
from proxy.domain.tier.access import ClaimToHeader, Jwks, JwtProvider, JwtRequirement
from proxy.domain.translate import kinds
from proxy.domain.translate.secrets import Material

JWT = "envoy.filters.http.jwt_authn"
_JWT = "filters.http.jwt_authn.v3"


def http_filters(tier: Tier) -> list[dict[str, Any]]:
    """The token filter, where the tier knows a provider. It does nothing on routes that demand nothing."""
    if not tier.jwt_providers:
        return []
    # Until the keys are there no requirement has a meaning, and the filter refuses each that it is asked for.
    return [kinds.discovered(JWT, f"{_JWT}.JwtAuthentication")]


def per_route(tier: Tier, route: Route) -> dict[str, Any]:
    """What a route demands, by the filter's name."""
    if route.access.jwt is None:
        return {}
    demanded = kinds.extension(JWT, f"{_JWT}.PerRouteConfig", requirement_name=route.access.jwt.key)
    return {JWT: demanded["typed_config"]}


def extensions(tier: Tier, material: Material) -> Iterator[dict[str, Any]]:
    """The filter's configuration. Withheld where a file of keys cannot be read: the proxies keep what they
    have.
    """
    files = [provider.jwks.file for provider in tier.jwt_providers if provider.jwks.file is not None]
    if not tier.jwt_providers or not material.has(*files):
        return
    demands = {route.access.jwt.key: route.access.jwt for route in tier.routes if route.access.jwt}
    yield kinds.extension_resource(
        JWT,
        f"{_JWT}.JwtAuthentication",
        providers={provider.name: _provider(provider, material) for provider in tier.jwt_providers},
        requirement_map={key: _requirement(demands[key]) for key in sorted(demands)},
    )


def _provider(provider: JwtProvider, material: Material) -> dict[str, Any]:
    found: dict[str, Any] = {
        "issuer": provider.issuer,
        "audiences": list(provider.audiences),
        **_keys(provider.jwks, material),
        "from_headers": [
            {"name": header.name, "value_prefix": header.value_prefix} for header in provider.from_headers
        ],
        "from_params": list(provider.from_params),
        "forward": provider.forward,
        "require_expiration": provider.require_expiration,
        "clock_skew_seconds": int(provider.clock_skew.total_seconds()),
        "claim_to_headers": [_told(claim) for claim in provider.claim_to_headers],
        # Where routes and quotas find the claims; the route is chosen again once they are known.
        "payload_in_metadata": provider.name,
        "clear_route_cache": True,
    }
    if provider.max_lifetime is not None:
        found["max_lifetime"] = seconds(provider.max_lifetime)
    return found


def _keys(jwks: Jwks, material: Material) -> dict[str, Any]:
    """Remote keys are fetched ahead of the first token, so that nobody waits for them."""
    if jwks.file is not None:
        return {"local_jwks": {"inline_string": material.file(jwks.file)}}
    at = {"uri": jwks.uri, "cluster": jwks.upstream, "timeout": seconds(jwks.timeout)}
    return {
        "remote_jwks": {
            "http_uri": at,
            "cache_duration": seconds(jwks.cache_duration),
            "async_fetch": {"failed_refetch_duration": "1s"},
        }
    }


def _told(claim: ClaimToHeader) -> dict[str, Any]:
    if len(claim.claim) == 1 and "." not in claim.claim[0]:
        return {"header_name": claim.header, "claim_name": claim.claim[0]}
    return {"header_name": claim.header, "claim_path": [{"key": key} for key in claim.claim]}


def _requirement(demand: JwtRequirement) -> dict[str, Any]:
    each: list[dict[str, Any]] = [{"provider_name": name} for name in sorted(set(demand.any_of))]
    if demand.allow_missing:
        each.append({"allow_missing": {}})
    return each[0] if len(each) == 1 else {"requires_any": {"requirements": each}}
