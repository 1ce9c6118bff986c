"""What routes demand and count by, against what the tier offers: what nobody could decide is told first."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from proxy.domain.errors import Problem
from proxy.domain.tier import ApiKeys, ExtAuthz, JwtProvider, Quota, Route, Upstream
from proxy.domain.tier.access import CLIENT_HEADER
from proxy.domain.tier.matching import Conditions

_TAKEN = "is taken from requests before their route is chosen; match claims instead"
_SPENT = "bears a token, which is gone when the route is chosen for the last time; match claims instead"
_UNTOLD = "taken from requests, and told anew by nothing that is demanded"
N = TypeVar("N", ApiKeys, ExtAuthz, JwtProvider, Upstream)


@dataclass(frozen=True, slots=True)
class Offered:
    """The parts of a tier that access and quotas name, with their places in the file. `identity_headers` are
    those that the tier says are nobody's own word; `names` those that stand in the file, right or wrong.
    """

    providers: Sequence[tuple[int, JwtProvider]]
    authorities: Sequence[tuple[int, ExtAuthz]]
    upstreams: Sequence[tuple[int, Upstream]]
    names: Mapping[str, Collection[str]]
    identity_headers: Collection[str]
    verifies_certificates: bool
    counts: bool

    @property
    def identity(self) -> frozenset[str]:
        """Every header that says who somebody is."""
        told = (claim.header for _, provider in self.providers for claim in provider.claim_to_headers)
        said = (header for _, authority in self.authorities for header in authority.identity_headers)
        return frozenset({CLIENT_HEADER, *self.identity_headers, *told, *said})

    @property
    def tokens(self) -> frozenset[str]:
        """Headers and query parameters whose token ends at the proxy."""
        ends = [provider for _, provider in self.providers if not provider.forward]
        headers = (header.name for provider in ends for header in provider.from_headers)
        return frozenset({*headers, *(name for provider in ends for name in provider.from_params)})


def problems(routes: Sequence[tuple[int, Route]], offered: Offered, path: str) -> Iterator[Problem]:
    """Every demand that nobody could meet, and every quota that would count nothing."""
    for index, provider in offered.providers:
        yield from _beneath(f"{path}.jwt_providers[{index}]", _keys(provider, offered))
    for index, authority in offered.authorities:
        yield from _beneath(f"{path}.ext_authz[{index}]", _reached(authority, offered))
    for index, route in routes:
        here = f"{path}.routes[{index}]"
        yield from _beneath(f"{here}.access", _access(route, offered))
        yield from _beneath(here, _matched(route, offered))
        yield from _beneath(here, _drawn(route, offered))
        for place, quota in enumerate(route.quotas):
            yield from _beneath(f"{here}.quotas[{place}]", _quota(route, quota, offered))
        yield from _beneath(path, _hashed(route, offered))


def _beneath(path: str, found: Iterator[Problem]) -> Iterator[Problem]:
    return ((f"{path}.{field}", why) for field, why in found)


def _keys(provider: JwtProvider, offered: Offered) -> Iterator[Problem]:
    jwks = provider.jwks
    if jwks.upstream is None or jwks.uri is None:
        return
    if jwks.upstream not in offered.names["upstreams"]:
        yield "jwks.upstream", f"there is no upstream {jwks.upstream}"
    upstream = _named(offered.upstreams, jwks.upstream)
    if upstream is not None and (upstream.tls is not None) != jwks.uri.startswith("https:"):
        yield (
            "jwks.uri",
            f"https goes with an upstream that has tls, http with one that has none: {jwks.upstream}",
        )


def _reached(authority: ExtAuthz, offered: Offered) -> Iterator[Problem]:
    if authority.upstream is None:
        return
    if authority.upstream not in offered.names["upstreams"]:
        yield "upstream", f"there is no upstream {authority.upstream}"
    upstream = _named(offered.upstreams, authority.upstream)
    if upstream is not None and authority.protocol == "grpc" and upstream.protocol != "http2":
        yield "upstream", f"gRPC needs protocol http2, which {authority.upstream} has not"


def _access(route: Route, offered: Offered) -> Iterator[Problem]:
    access = route.access
    for provider in access.jwt.any_of if access.jwt else ():
        if provider not in offered.names["jwt_providers"]:
            yield "jwt", f"there is no JWT provider {provider}"
    if access.api_keys is not None and access.api_keys.keys not in offered.names["api_keys"]:
        yield "api_keys", f"there are no API keys {access.api_keys.keys}"
    if access.api_keys is not None and access.api_keys.allows_nobody:
        yield "api_keys.allowed_clients", "names no client: leave it out to take every one of the set"
    if access.ext_authz is not None and access.ext_authz.by not in offered.names["ext_authz"]:
        yield "ext_authz", f"there is no authority {access.ext_authz.by}"
    if access.client_certificates is not None and not offered.verifies_certificates:
        yield "client_certificates", "needs tls.client_certificates of the tier: nobody is asked for one"


def _matched(route: Route, offered: Offered) -> Iterator[Problem]:
    """Headers that say who somebody is are taken off before a route is chosen, and a token before it is
    chosen for the last time.
    """
    identity, tokens = offered.identity, offered.tokens
    where: list[tuple[str, Conditions]] = [("match", route.match)]
    where += [(f"arms[{place}].match", arm.match) for place, arm in enumerate(route.arms)]
    for field, conditions in where:
        for place, header in enumerate(conditions.headers):
            if header.name in identity or header.name.startswith("x-sluice-"):
                yield f"{field}.headers[{place}]", f"{header.name} {_TAKEN}"
            if header.name in tokens:
                yield f"{field}.headers[{place}]", f"{header.name} {_SPENT}"
        for place, parameter in enumerate(conditions.query_parameters):
            if parameter.name in tokens:
                yield f"{field}.query_parameters[{place}]", f"{parameter.name} {_SPENT}"


def _drawn(route: Route, offered: Offered) -> Iterator[Problem]:
    """An arm is drawn when the route is chosen for the last time: a checked token has told its claims by
    then, an authority nothing.
    """
    header = route.sticky.header if route.sticky else None
    if header in offered.identity and header not in _claimed(route, offered):
        yield (
            "sticky.header",
            f"{header} is {_UNTOLD}, as a claim of a token would be: arms would be drawn anew",
        )


def _hashed(route: Route, offered: Offered) -> Iterator[Problem]:
    """An endpoint is drawn at last, when all that the route demands has told who it is."""
    told = {*_claimed(route, offered), *_answered(route, offered)}
    for place, upstream in offered.upstreams:
        header = upstream.hash_on.header if upstream.hash_on else None
        if upstream.name in route.split and header in offered.identity and header not in told:
            why = f"{header} is {_UNTOLD} of route {route.name}: its requests would be drawn at random"
            yield f"upstreams[{place}].hash_on.header", why


def _claimed(route: Route, offered: Offered) -> set[str]:
    """The headers that a token tells which the route demands."""
    vouching = _vouching(route)
    by = (provider for _, provider in offered.providers if provider.name in vouching)
    return {claim.header for provider in by for claim in provider.claim_to_headers}


def _answered(route: Route, offered: Offered) -> set[str]:
    """The headers that its authority and its API keys tell."""
    access = route.access
    asked = access.ext_authz.by if access.ext_authz else None
    by = (authority for _, authority in offered.authorities if authority.name == asked)
    found = {header for authority in by for header in authority.identity_headers}
    return {*found, CLIENT_HEADER} if access.api_keys else found


def _quota(route: Route, quota: Quota, offered: Offered) -> Iterator[Problem]:
    if not route.split:
        yield "requests", "is of a route that goes to an upstream: this one answers by itself"
    if quota.counted_by == "service" and not offered.counts:
        yield "counted_by", "service needs rate_limit_service of the tier"
    if quota.by == "client" and route.access.api_keys is None:
        yield "by", "client needs access.api_keys, which tells whose a request is"
    if quota.header is not None and quota.header not in offered.identity:
        yield "by.header", f"{quota.header} is the client's own word: name it in identity_headers of the tier"
    if quota.claim is not None and quota.claim.provider not in _vouching(route):
        yield "by.claim", f"needs access.jwt with {quota.claim.provider}: else no request has a claim of it"


def _vouching(route: Route) -> set[str]:
    demanded = route.access.jwt.any_of if route.access.jwt else ()
    return {*demanded, *(claim.provider for claim in route.match.claims)}


def _named(placed: Sequence[tuple[int, N]], name: str) -> N | None:
    return next((one for _, one in placed if one.name == name), None)
