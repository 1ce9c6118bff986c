"""Ways around what a route demands: requests that are spelt otherwise, so that a wider route takes them.

Envoy compares a path letter by letter, once its slashes, dots and needless escapes were put in order. Many a
backend is less strict: /ADMIN, /admin;v=1, /admin/ and /admin%20 may all be /admin to it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from proxy.domain import heads
from proxy.domain.heads import Head
from proxy.domain.tier import Access, Route, Tier
from proxy.domain.tier.matching import Match

_Wider = Mapping[Head, list[Route]]


def ways_around(tier: Tier) -> dict[str, str]:
    """By the name of the route that demands something, how one may come to its upstream without."""
    by_host: dict[str, dict[Head, list[Route]]] = defaultdict(lambda: defaultdict(list))
    for route in tier.routes:
        whole = heads.whole(route.match)
        if whole is not None and route.split and not route.match.claims:
            for host in route.hosts:
                by_host[host][whole].append(route)
    guarded = [route for route in tier.routes if route.split and route.access != Access()]
    found = ((route, _less_strict(route, by_host)) for route in guarded)
    return {route.name: _said(route, wider) for route, wider in found if wider is not None}


def _less_strict(route: Route, by_host: Mapping[str, _Wider]) -> Route | None:
    """The route that takes on some host what this one does not, to an upstream of both, and demands less."""
    for host in route.hosts:
        for wider in _next(route.match, by_host.get(host, {})):
            if _demands_less(wider.access, route.access) and set(wider.split) & set(route.split):
                return wider
    return None


def _next(match: Match, wider: _Wider) -> Iterator[Route]:
    """The routes above the match, nearest first, to the one that lets nothing by."""
    own = heads.whole(match)
    for head in reversed([head for head in heads.above(match) if head != own]):
        for route in wider.get(head, ()):
            yield route
            if not route.match.compared and not route.match.methods:
                return


def _demands_less(one: Access, other: Access) -> bool:
    return any(_asks(other, field) and not _asks(one, field) for field in Access.model_fields)


def _asks(access: Access, field: str) -> bool:
    """A token that may be missing is none that is asked for."""
    demand = getattr(access, field)
    return demand is not None and not getattr(demand, "allow_missing", False)


def _said(route: Route, wider: Route) -> str:
    kind, text = route.match.by
    bare = text.rstrip("/")
    spelt = (
        f"{bare.swapcase()} or {bare};a"
        if kind in ("path", "prefix")
        else f"what is like {text} but no match"
    )
    return (
        f"{spelt} goes by route {wider.name}, which demands less, and the same backend may take it for this:"
        " demand it of the wider route, and open what is to be open by routes of its own"
    )
