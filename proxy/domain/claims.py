"""Routes and arms that a JWT claim chooses: the token must have been checked before there is a claim.

Envoy chooses a route, the route that it chose demands a token, and with the token's claims it chooses again.
So it is the route that takes the request without the claim that must demand the token.
"""

from collections.abc import Collection, Iterator, Sequence

from proxy.domain import precedence
from proxy.domain.errors import Problem
from proxy.domain.tier import Route
from proxy.domain.tier.matching import Conditions


def problems(routes: Sequence[tuple[int, Route]], providers: Collection[str], path: str) -> Iterator[Problem]:
    """Claims of nobody, and claims that no request can bear when its route is chosen."""
    every = [route for _, route in routes]
    for index, route in routes:
        here = f"{path}.routes[{index}]"
        for place, provider in _providers(route):
            if provider not in providers:
                yield f"{here}.{place}", f"there is no JWT provider {provider}"
        yield from ((f"{here}.{place}", why) for place, why in _unchecked(route, every))


def _providers(route: Route) -> Iterator[tuple[str, str]]:
    for place, conditions in _conditions(route):
        yield from (
            (f"{place}.claims[{i}].provider", each.provider) for i, each in enumerate(conditions.claims)
        )


def _conditions(route: Route) -> Iterator[tuple[str, Conditions]]:
    yield "match", route.match
    yield from ((f"arms[{index}].match", arm.match) for index, arm in enumerate(route.arms))


def _unchecked(route: Route, routes: Sequence[Route]) -> Iterator[Problem]:
    for index, arm in enumerate(route.arms):
        missing = {claim.provider for claim in arm.match.claims} - _demanded(route)
        for provider in sorted(missing):
            yield f"arms[{index}].match.claims", f"access.jwt of this route must demand a token of {provider}"
    wanted = {claim.provider for claim in route.match.claims}
    for host in route.hosts if wanted else ():
        first = _without_claims(route, host, routes)
        if first is None:
            yield "match.claims", f"no route of {host} takes a request before its token is checked"
        elif missing := wanted - _demanded(first):
            yield (
                "match.claims",
                f"route {first.name} takes a request to {host} before its token is checked, so its access.jwt"
                f" must demand one of {', '.join(sorted(missing))}",
            )


def _demanded(route: Route) -> set[str]:
    return set(route.access.jwt.any_of) if route.access.jwt else set()


def _without_claims(route: Route, host: str, routes: Sequence[Route]) -> Route | None:
    """The route that gets what this one would, as long as no claim is known."""
    bare = route.match.model_copy(update={"claims": ()})
    here = [each for each in routes if host in each.hosts and not each.match.claims]
    return next((each for each in precedence.in_order(here) if precedence.takes(each.match, bare)), None)
