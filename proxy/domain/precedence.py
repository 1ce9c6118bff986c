"""The order in which a host's routes are tried, and routes that are never reached in it.

The whole path first, then templates, then regular expressions, then prefixes; of one kind the longer text
first (a template's without its variables); then more conditions before fewer, exact ones before wide ones,
fewer methods before more; at last the order of the file.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations, islice
from operator import itemgetter

from proxy.domain import heads
from proxy.domain.errors import Problem
from proxy.domain.heads import Head
from proxy.domain.tier import Route
from proxy.domain.tier.matching import Compared, Match
from proxy.domain.tier.templates import literal

_RANKS = {"path": 0, "path_template": 1, "safe_regex": 2, "prefix": 3}
_EXACTNESS = {"exact": 3, "bool_match": 3, "present_match": 1}
_MANY_METHODS = 99
_FEW = 8
"""So many exact conditions of a route are looked at in all their combinations."""

Condition = tuple[str, Compared]
_Paths = Head | tuple[str, str]
"""Paths that are taken whole: all below a head, or those of one match."""


def in_order(routes: Iterable[Route]) -> list[Route]:
    """As Envoy is to try them; it takes the first that matches."""
    return sorted(routes, key=lambda route: _key(route.match))


def problems(routes: Sequence[tuple[int, Route]], path: str) -> Iterator[Problem]:
    """Routes, given with their places in the file, that no request of one of their hosts can reach."""
    places = {route.name: index for index, route in routes}
    by_host: dict[str, list[Route]] = defaultdict(list)
    for _, route in routes:
        for host in dict.fromkeys(route.hosts):
            by_host[host].append(route)
    for host, here in by_host.items():
        earlier = _Earlier()
        for route in in_order(here):
            taker = earlier.taker(route)
            if taker is not None:
                place = route.hosts.index(host)
                yield f"{path}.routes[{places[route.name]}].hosts[{place}]", _why(host, route, taker)
            earlier.add(route)


def takes(wider: Match, narrower: Match) -> bool:
    """Whether every request of the second is one of the first, as far as can be told."""
    return _takes_paths(wider, narrower) and _demands_no_more(wider, narrower)


class Tried:
    """Routes of a host in the order of trying, to be found by what they take without going through all."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_paths: dict[_Paths, list[tuple[int, Route]]] = defaultdict(list)
        for place, route in enumerate(in_order(routes)):
            self._by_paths[route.match.by].append((place, route))
            whole = heads.whole(route.match)
            if whole is not None:
                self._by_paths[whole].append((place, route))

    def first(self, match: Match) -> Route | None:
        """The first that takes every request of the match, as far as can be told."""
        found: list[tuple[int, Route]] = []
        every: Iterator[_Paths] = chain([match.by], heads.above(match))
        for paths in every:
            here = self._by_paths.get(paths, ())
            found += islice((each for each in here if _demands_no_more(each[1].match, match)), 1)
        return min(found, key=itemgetter(0))[1] if found else None


def _takes_paths(wider: Match, narrower: Match) -> bool:
    if wider.by == narrower.by:
        return True
    whole = heads.whole(wider)
    return whole is not None and whole in heads.above(narrower)


def _key(match: Match) -> tuple[int, int, int, int, int]:
    kind, text = match.by
    fixed = literal(text) if kind == "path_template" else text
    exactness = sum(_EXACTNESS.get(item.comparison[0], 2) for _, item in match.compared)
    conditions = len(match.compared) + bool(match.methods)
    return _RANKS[kind], -len(fixed), -conditions, -exactness, len(match.methods) or _MANY_METHODS


def _why(host: str, route: Route, taker: Route) -> str:
    same = route.match.by == taker.match.by and _conditions(route.match) == _conditions(taker.match)
    if same and set(route.methods) == set(taker.methods):
        return f"{host}{route.match.by[1]} already goes to route {taker.name}"
    said = "; ".join(taker.match.words)
    return f"is never reached: route {taker.name} ({said}) is tried before it and takes all such of {host}"


def _conditions(match: Match) -> frozenset[Condition]:
    return frozenset(match.compared)


class _Earlier:
    """The routes of a host that are tried before the next one, to be found by what they take."""

    def __init__(self) -> None:
        self._same: dict[tuple[str, str], _Takers] = defaultdict(_Takers)
        self._wide: dict[Head, _Takers] = defaultdict(_Takers)

    def add(self, route: Route) -> None:
        self._same[route.match.by].add(route)
        wide = heads.wide(route.match)
        if wide is not None:
            self._wide[wide].add(route)

    def taker(self, route: Route) -> Route | None:
        """One that takes every request that this one could."""
        groups = [self._same.get(route.match.by)]
        groups += [self._wide.get(head) for head in heads.above(route.match)] if self._wide else []
        found = (group.taker(route) for group in groups if group is not None)
        return next((taker for taker in found if taker is not None), None)


class _Takers:
    """Routes whose paths include those of the route in question: what is left are the conditions."""

    def __init__(self) -> None:
        self._exact: dict[frozenset[Condition], Route] = {}
        self._others: list[Route] = []

    def add(self, route: Route) -> None:
        conditions = _conditions(route.match)
        if route.methods or any(item.comparison[0] != "exact" for _, item in conditions):
            self._others.append(route)
        else:
            self._exact.setdefault(conditions, route)

    def taker(self, route: Route) -> Route | None:
        mine = [each for each in route.match.compared if each[1].comparison[0] == "exact"][:_FEW]
        subsets = chain.from_iterable(combinations(mine, size) for size in range(len(mine) + 1))
        for subset in subsets:
            if frozenset(subset) in self._exact:
                return self._exact[frozenset(subset)]
        return next((other for other in self._others if _demands_no_more(other.match, route.match)), None)


def _demands_no_more(wider: Match, narrower: Match) -> bool:
    """Whether each condition of the first follows from the second's."""
    if wider.methods and not (narrower.methods and set(narrower.methods) <= set(wider.methods)):
        return False
    return all(any(_follows(one, other) for other in narrower.compared) for one in wider.compared)


def _follows(wanted: Condition, given: Condition) -> bool:
    if wanted == given:
        return True
    there = wanted[1].present_match is True and not wanted[1].inverted
    return there and wanted[0] == given[0] and not given[1].inverted
