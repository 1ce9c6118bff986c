"""Routes and arms that a JWT claim chooses: the token must have been checked before there is a claim.

Envoy chooses a route, the route that it chose demands a token, and with the token's claims it chooses again.
So it is the route that takes the request without the claim that must demand the token. Which filters run is
decided by it, too: what the later one demands beside the token, it must demand.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import takewhile

from proxy.domain import heads
from proxy.domain.errors import Problem
from proxy.domain.precedence import Tried
from proxy.domain.tier import Route
from proxy.domain.tier.matching import Conditions, Match


def problems(routes: Sequence[tuple[int, Route]], providers: Collection[str], path: str) -> Iterator[Problem]:
    """Claims of nobody, claims that no request can bear when its route is chosen, and those that would lead
    around a key or an authority.
    """
    hosts = _hosts(route for _, route in routes)
    for index, route in routes:
        here = f"{path}.routes[{index}]"
        for place, provider in _providers(route):
            if provider not in providers:
                yield f"{here}.{place}", f"there is no JWT provider {provider}"
        yield from ((f"{here}.{place}", why) for place, why in _unchecked(route, hosts))
        yield from ((f"{here}.access.{field}", why) for field, why in _around(route, hosts))


class _Host:
    """The routes of a host that take a request whose claims are not known."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.tried = Tried(routes)
        self._checking: dict[str, list[Route]] = defaultdict(list)
        for route in routes:
            if route.access.jwt is not None:
                self._checking[heads.beginning(route.match)].append(route)
        self._beginnings = sorted(self._checking)

    def checking(self, match: Match) -> Iterator[Route]:
        """Those that demand a token and could take a path of the match, as far as their beginnings tell."""
        begins = heads.beginning(match)
        shorter = (begins[:end] for end in range(len(begins)))
        longer = self._beginnings[bisect_left(self._beginnings, begins) :]
        for beginning in (*shorter, *takewhile(lambda text: text.startswith(begins), longer)):
            yield from self._checking.get(beginning, ())


def _hosts(routes: Iterable[Route]) -> dict[str, _Host]:
    by_host: dict[str, list[Route]] = defaultdict(list)
    for route in routes:
        for host in route.hosts if not route.match.claims else ():
            by_host[host].append(route)
    return {host: _Host(here) for host, here in by_host.items()}


def _providers(route: Route) -> Iterator[tuple[str, str]]:
    for place, conditions in _conditions(route):
        yield from (
            (f"{place}.claims[{i}].provider", each.provider) for i, each in enumerate(conditions.claims)
        )


def _conditions(route: Route) -> Iterator[tuple[str, Conditions]]:
    yield "match", route.match
    yield from ((f"arms[{index}].match", arm.match) for index, arm in enumerate(route.arms))


def _unchecked(route: Route, hosts: dict[str, _Host]) -> Iterator[Problem]:
    for index, arm in enumerate(route.arms):
        missing = {claim.provider for claim in arm.match.claims} - _demanded(route)
        for provider in sorted(missing):
            yield f"arms[{index}].match.claims", f"access.jwt of this route must demand a token of {provider}"
    wanted = _wanted(route)
    bare = route.match.model_copy(update={"claims": ()})
    for host in route.hosts if wanted else ():
        first = hosts[host].tried.first(bare) if host in hosts else None
        if first is None:
            yield "match.claims", f"no route of {host} takes a request before its token is checked"
        elif missing := wanted - _demanded(first):
            yield (
                "match.claims",
                f"route {first.name} takes a request to {host} before its token is checked, so its access.jwt"
                f" must demand one of {', '.join(sorted(missing))}",
            )


def _around(route: Route, hosts: dict[str, _Host]) -> Iterator[Problem]:
    """Each first route is told once, on however many hosts."""
    wanted = _wanted(route)
    here = [hosts[host] for host in dict.fromkeys(route.hosts) if host in hosts] if wanted else []
    firsts = {first.name: first for host in here for first in host.checking(route.match)}
    for first in firsts.values():
        if wanted & _demanded(first) and first.access.before_routing != route.access.before_routing:
            yield (
                "api_keys" if first.access.api_keys != route.access.api_keys else "ext_authz",
                f"must be as in route {first.name}, which takes a request before its claims are known",
            )


def _wanted(route: Route) -> set[str]:
    return {claim.provider for claim in route.match.claims}


def _demanded(route: Route) -> set[str]:
    return set(route.access.jwt.any_of) if route.access.jwt else set()
