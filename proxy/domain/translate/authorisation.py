"""Whether a request may: authorities beside the proxy that are asked, and rules that are looked at last.

The rules are a second lock on what the filters before them decide. A connection keeps the filters that it
began with, for minutes after its listener has got others, while routes change under it at once: a route
that begins to demand something would be open to it. So the rules stand in every listener from the first, do
nothing unless the route says so, and demand the traces that the other filters leave.
"""

from collections.abc import Iterable
from typing import Any

from proxy.domain.tier import ExtAuthz, Route, Tier, is_ip, seconds
from proxy.domain.tier.access import CLIENT_HEADER, ClientCertificateRequirement, ExtAuthzRequirement
from proxy.domain.translate import companions, identity, kinds

RULES = "envoy.filters.http.rbac"
ASKED = "envoy.filters.http.set_metadata"
TRACES = "sluice.access"
"""The namespace of the metadata that say which authorities' filters a request has passed."""
CONTEXT = "x-sluice-context-"
"""Before the names of what an authority is told in HTTP. Clients' own such headers are taken off."""
_EXT = "filters.http.ext_authz.v3"
_RBAC = "filters.http.rbac.v3"


def http_filters(tier: Tier) -> list[dict[str, Any]]:
    """One an authority, which does nothing on routes that do not ask it; then the rules."""
    asks = [
        kinds.extension(_name(authority), f"{_EXT}.ExtAuthz", **_asked(authority)) | {"disabled": True}
        for authority in tier.ext_authz
    ]
    return [*asks, *_traces(tier), kinds.extension(RULES, f"{_RBAC}.RBAC")]


def per_route(tier: Tier, route: Route) -> dict[str, Any]:
    """What a route demands, by the filter's name."""
    found: dict[str, Any] = {}
    demanded = route.access.ext_authz
    for authority in tier.ext_authz:
        if demanded is not None and authority.name == demanded.by:
            settings = _told(authority, demanded)
            found[_name(authority)] = kinds.configuration(f"{_EXT}.ExtAuthzPerRoute", check_settings=settings)
    if principals := _principals(route):
        policy = {"permissions": [{"any": True}], "principals": [{"and_ids": {"ids": principals}}]}
        rules = {"rules": {"action": "ALLOW", "policies": {"access": policy}}}
        found[RULES] = kinds.configuration(f"{_RBAC}.RBACPerRoute", rbac=rules)
    return found


def clusters(tier: Tier) -> list[dict[str, Any]]:
    """The authorities that stand at an address of their own."""
    return [
        companions.cluster(
            _cluster(authority),
            [(authority.address, authority.port or 0)],
            http2=authority.protocol == "grpc",
        )
        for authority in tier.ext_authz
        if authority.address is not None
    ]


def _name(authority: ExtAuthz) -> str:
    return f"envoy.filters.http.ext_authz.{authority.name}"


def _cluster(authority: ExtAuthz) -> str:
    return authority.upstream or f"sluice_authority_{authority.name}"


def _traces(tier: Tier) -> list[dict[str, Any]]:
    if not tier.ext_authz:
        return []
    passed = {authority.name: True for authority in tier.ext_authz}
    trace = {"metadata_namespace": TRACES, "value": passed}
    return [kinds.extension(ASKED, "filters.http.set_metadata.v3.Config", metadata=[trace])]


def _asked(authority: ExtAuthz) -> dict[str, Any]:
    found: dict[str, Any] = {
        "transport_api_version": "V3",
        "failure_mode_allow": authority.failure_mode_allow,
        # Not 403: the client did nothing wrong.
        "status_on_error": {"code": "ServiceUnavailable"},
        "stat_prefix": authority.name,
        "validate_mutations": True,
        # Never empty: an authority that is asked by gRPC would be shown every header.
        **_exactly("allowed_headers", (*authority.allowed_headers, CLIENT_HEADER)),
        **_service(authority, {}),
    }
    if authority.with_request_body is not None:
        found["with_request_body"] = {"max_request_bytes": authority.with_request_body.max_request_bytes}
    return found


def _told(authority: ExtAuthz, demanded: ExtAuthzRequirement) -> dict[str, Any]:
    if not demanded.context:
        return {}
    if authority.protocol == "grpc":
        return {"context_extensions": dict(demanded.context)}
    return _service(authority, demanded.context)


def _service(authority: ExtAuthz, context: dict[str, str]) -> dict[str, Any]:
    if authority.protocol == "grpc":
        at = {"envoy_grpc": {"cluster_name": _cluster(authority)}, "timeout": seconds(authority.timeout)}
        return {"grpc_service": at}
    host = authority.address or authority.upstream or ""
    told = [{"key": f"{CONTEXT}{key}", "value": value} for key, value in sorted(context.items())]
    return {
        "http_service": {
            "server_uri": {
                "uri": f"http://{f'[{host}]' if is_ip(host) and ':' in host else host}",
                "cluster": _cluster(authority),
                "timeout": seconds(authority.timeout),
            },
            **({"path_prefix": authority.path_prefix} if authority.path_prefix else {}),
            "authorization_request": {"headers_to_add": told} if told else {},
            "authorization_response": {
                **_exactly("allowed_upstream_headers", authority.identity_headers),
                **_exactly("allowed_client_headers", authority.allowed_client_headers),
            },
        }
    }


def _exactly(field: str, headers: Iterable[str]) -> dict[str, Any]:
    """Envoy refuses a list of none."""
    patterns = [{"exact": header} for header in headers]
    return {field: {"patterns": patterns}} if patterns else {}


def _principals(route: Route) -> list[dict[str, Any]]:
    """All of which must be true of a request. Empty where the rules have nothing to say."""
    found = []
    if route.access.jwt is not None and not route.access.jwt.allow_missing:
        found.append(_any([_vouched(name) for name in sorted(set(route.access.jwt.any_of))]))
    if route.access.api_keys is not None:
        # Only the key filter can have set it: a client's own was taken off.
        found.append({"header": {"name": CLIENT_HEADER, "present_match": True}})
    if route.access.ext_authz is not None:
        found.append(_left(TRACES, [route.access.ext_authz.by], {"bool_match": True}))
    if route.access.client_certificates is not None:
        found.append(_certified(route.access.client_certificates))
    return found


def _vouched(provider: str) -> dict[str, Any]:
    """The token filter leaves a token's claims behind once it has verified them, and only then."""
    return _left(identity.JWT, [provider, "iss"], {"present_match": True})


def _left(namespace: str, path: list[str], value: dict[str, Any]) -> dict[str, Any]:
    """Metadata that a filter left with the request."""
    wanted = {"filter": namespace, "path": [{"key": key} for key in path], "value": value}
    return {"sourced_metadata": {"metadata_matcher": wanted}}


def _certified(demanded: ClientCertificateRequirement) -> dict[str, Any]:
    """Every certificate that is there has been verified: the handshake admits no other.

    Not `mtls_authenticated`: a session that is resumed does not count as verified there, and is refused. And
    some name, always: without one whoever speaks TLS is taken, with a certificate or not.
    """
    if demanded.any_validated_client_certificate:
        return {"authenticated": {"principal_name": {"safe_regex": {"regex": ".+"}}}}
    return _any([{"authenticated": {"principal_name": _named(name)}} for name in demanded.subject_alt_names])


def _named(name: str) -> dict[str, Any]:
    bare = name.removesuffix("*")
    return {"exact": name} if bare == name else {"prefix": bare}


def _any(principals: list[dict[str, Any]]) -> dict[str, Any]:
    return principals[0] if len(principals) == 1 else {"or_ids": {"ids": principals}}
