"""Who sent a request: tokens and API keys, and which of them a route demands.

The filters' own configuration holds key material, so it reaches the proxies as extensions: keys that change
rebuild no listener, and no connection is drained for them.
"""

from collections.abc import Iterator
from typing import Any

from proxy.domain import credentials
from proxy.domain.tier import ApiKeys, Route, Tier, seconds
from proxy.domain.tier.access import CLIENT_HEADER, ClaimToHeader, Jwks, JwtProvider, JwtRequirement
from proxy.domain.translate import kinds
from proxy.domain.translate.secrets import Material

JWT = "envoy.filters.http.jwt_authn"
_JWT = "filters.http.jwt_authn.v3"
_KEYS = "filters.http.api_key_auth.v3"


def http_filters(tier: Tier) -> list[dict[str, Any]]:
    """One for tokens and one a set of keys. They do nothing on routes that demand nothing.

    Until their configuration is there, the first knows no demand and the others no key: they refuse.
    """
    tokens = [kinds.discovered(JWT, f"{_JWT}.JwtAuthentication")] if tier.jwt_providers else []
    sets = [kinds.discovered(_keys_name(keys.name), f"{_KEYS}.ApiKeyAuth") for keys in tier.api_keys]
    return [*tokens, *({**filter_, "disabled": True} for filter_ in sets)]


def per_route(tier: Tier, route: Route) -> dict[str, Any]:
    """What a route demands, by the filter's name."""
    found: dict[str, Any] = {}
    if route.access.jwt is not None:
        key = route.access.jwt.key
        found[JWT] = kinds.configuration(f"{_JWT}.PerRouteConfig", requirement_name=key)
    demanded = route.access.api_keys
    for keys in tier.api_keys:
        if demanded is not None and keys.name == demanded.keys:
            found[_keys_name(keys.name)] = kinds.configuration(
                f"{_KEYS}.ApiKeyAuthPerRoute",
                allowed_clients=list(demanded.allowed_clients),
                # A route's own configuration does not inherit this: the key would go on to the backend.
                forwarding=_forwarding(keys),
            )
    return found


def extensions(tier: Tier, material: Material) -> Iterator[dict[str, Any]]:
    """The filters' configurations. One is left out where a file of its keys cannot be read: the proxies keep
    what they have.
    """
    files = [provider.jwks.file for provider in tier.jwt_providers if provider.jwks.file is not None]
    if tier.jwt_providers and material.has(*files):
        yield _tokens(tier, material)
    yield from (_api_keys(keys, material) for keys in tier.api_keys if material.has(keys.file))


def untrusted(tier: Tier) -> tuple[str, ...]:
    """Headers that say who somebody is: taken from clients' requests before anything reads them."""
    return tuple(sorted({*tier.identity_headers, *tier.told_identity}))


def _tokens(tier: Tier, material: Material) -> dict[str, Any]:
    demands = {route.access.jwt.key: route.access.jwt for route in tier.routes if route.access.jwt}
    return kinds.extension_resource(
        JWT,
        f"{_JWT}.JwtAuthentication",
        providers={provider.name: _provider(provider, material) for provider in tier.jwt_providers},
        requirement_map={key: _requirement(demands[key]) for key in sorted(demands)},
    )


def _keys_name(name: str) -> str:
    return f"envoy.filters.http.api_key_auth.{name}"


def _api_keys(keys: ApiKeys, material: Material) -> dict[str, Any]:
    text = material.file(keys.file)
    pairs = credentials.api_keys(text) if text else ()
    return kinds.extension_resource(
        _keys_name(keys.name),
        f"{_KEYS}.ApiKeyAuth",
        credentials=[{"key": key, "client": client} for client, key in pairs],
        key_sources=[source.model_dump(exclude_none=True) for source in keys.key_sources],
        forwarding=_forwarding(keys),
    )


def _forwarding(keys: ApiKeys) -> dict[str, Any]:
    return {"header": CLIENT_HEADER, "hide_credentials": keys.hide_credentials}


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
