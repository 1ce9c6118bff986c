"""Whether one layer alone retries: where several do, their attempts multiply (F1).

The layers are those that are known: a tier whose upstream's endpoints are the proxies of another tier passes
its requests on to that. What services retry by themselves no proxy can see.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod

from proxy.domain.checks.looking import Look, Mend
from proxy.domain.tier import Route, Tier


@dataclass(frozen=True, slots=True)
class Layer:
    """A route on the way of a request, and how often it tries one at most: 1 where it retries nothing."""

    tier: str
    route: str
    attempts: int

    def __str__(self) -> str:
        return f"{self.tier}/{self.route}"


_OFF = "retry: {attempts: 0}"


def layers(tier: Tier, route: str, tiers: Sequence[Tier] = ()) -> tuple[Layer, ...]:
    """The way on which the most attempts are made, from this route on. Raises KeyError: there is no route."""
    start = tier.route(route)
    if start is None:
        raise KeyError(route)
    known = {each.name: each for each in (*tiers, tier)}
    return max(_ways(tier, start, known, frozenset()), key=amplification)


def amplification(way: Sequence[Layer]) -> int:
    """How many requests the last one on the way may get for one: the product of all attempts."""
    return prod(layer.attempts for layer in way)


def single_layer(tier: Tier, route: str, tiers: Sequence[Tier]) -> tuple[Look, Mend]:
    """The check, and what would mend it: the layer next to the client keeps its retries.

    The way is looked at from this route on, so that it is a layer behind it whose retries go.
    """
    if tier.route(route) is None:
        return Look(None, f"there is no route {route}"), Mend()
    way = layers(tier, route, tiers)
    retrying = [layer for layer in way if layer.attempts > 1]
    if len(retrying) > 1:
        names = " and ".join(str(layer) for layer in retrying)
        says = f"{names} all retry: one request may become {amplification(way)}"
        behind = retrying[1]
        return Look(False, says), Mend(declare=f"tier {behind.tier}: routes: {behind.route}: {_OFF}")
    unseen = "what services behind it retry is not declared"
    if not retrying:
        return Look(True, f"{way[0]} retries nothing; {unseen}"), Mend()
    only = retrying[0]
    return Look(True, f"only {only} retries, {only.attempts} attempts in all; {unseen}"), Mend()


def _ways(
    tier: Tier, route: Route, known: Mapping[str, Tier], met: frozenset[str]
) -> Iterator[tuple[Layer, ...]]:
    """Every way on; a tier that is met again ends it."""
    here = Layer(tier.name, route.name, 1 + (route.retry.attempts if route.retried else 0))
    met = met | {tier.name}
    onward = [way for other, on in _next(tier, route, known, met) for way in _ways(other, on, known, met)]
    if not onward:
        yield (here,)
    yield from ((here, *way) for way in onward)


def _next(
    tier: Tier, route: Route, known: Mapping[str, Tier], met: frozenset[str]
) -> Iterator[tuple[Tier, Route]]:
    """The routes of other tiers that this one's requests come to: by address, then by host."""
    hosts = (route.host_rewrite_literal,) if route.host_rewrite_literal else route.hosts
    asked = [upstream for name in route.split if (upstream := tier.upstream(name)) is not None]
    places = {(each.address, each.port) for upstream in asked for each in upstream.endpoints}
    for other in known.values():
        if other.name not in met and places & _listens(other):
            yield from ((other, each) for each in other.routes if each.split and _takes(each, hosts))


def _listens(tier: Tier) -> set[tuple[str, int]]:
    return {(proxy.address, port) for proxy in tier.proxies for port in (proxy.http_port, proxy.https_port)}


def _takes(route: Route, hosts: Sequence[str]) -> bool:
    """Whether one of the hosts comes here: `*` in a route's host stands for any beginning or end."""
    return any(fnmatchcase(host, pattern) for host in hosts for pattern in route.hosts)
