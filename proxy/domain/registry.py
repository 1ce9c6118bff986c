"""Endpoints that a service registry pushes: how they are read, and how they take their place in a tier."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from pydantic import ValidationError

from proxy.domain.document import worded
from proxy.domain.errors import Invalid, Problem
from proxy.domain.tier import Endpoint, Tier, Upstream, is_ip


def endpoints(pushed: Sequence[Any], *, force: bool = False) -> tuple[Endpoint, ...]:
    """The endpoints, in an order that is the same for the same ones.

    Raises Invalid with every mistake; an empty list is one unless it is forced: a registry that has lost
    its own data must not take a service off.
    """
    problems: list[Problem] = []
    found = dict(_valid(pushed, problems))
    problems += [*_addresses(found), *_doubles(found)]
    if not pushed and not force:
        problems.append(("endpoints", "an empty list would take the service off: say force to mean it"))
    if problems:
        raise Invalid(sorted(problems, key=lambda problem: _place(problem[0])))
    return tuple(sorted(found.values(), key=lambda one: (one.zone or "", one.address, one.port)))


def _valid(pushed: Sequence[Any], problems: list[Problem]) -> Iterator[tuple[int, Endpoint]]:
    """Those that are endpoints, with their places; what the others lack goes to the problems."""
    for index, each in enumerate(pushed):
        try:
            yield index, Endpoint.model_validate(each)
        except ValidationError as error:
            problems += [(_path((index, *each["loc"])), worded(each)) for each in error.errors()]


def _place(path: str) -> int:
    """Which endpoint a problem is of."""
    return int(path.partition("[")[2].partition("]")[0] or 0)


def _addresses(found: Mapping[int, Endpoint]) -> Iterator[Problem]:
    for index, one in found.items():
        if not is_ip(one.address):
            yield f"endpoints[{index}].address", "must be an IP address"
        elif (address := ip_address(one.address)).is_unspecified or address.is_multicast:
            yield f"endpoints[{index}].address", f"{one.address} is no machine's: give the instance's own"


def _doubles(found: Mapping[int, Endpoint]) -> Iterator[Problem]:
    """By place, and by name: a drained name takes every endpoint that bears it."""
    places: set[tuple[str, int]] = set()
    names: set[str | None] = set()
    for index, one in found.items():
        place = (str(ip_address(one.address)) if is_ip(one.address) else one.address, one.port)
        if place in places:
            yield f"endpoints[{index}]", "stands twice"
        if one.name is not None and one.name in names:
            yield f"endpoints[{index}].name", f"the name {one.name} stands twice"
        places.add(place)
        names.add(one.name)


def with_registered(tier: Tier, registered: Mapping[str, tuple[Endpoint, ...]]) -> Tier:
    """The tier with what was pushed in place of what was declared to begin with."""
    if not registered:
        return tier

    def now(upstream: Upstream) -> Upstream:
        if upstream.discovery != "registry" or upstream.name not in registered:
            return upstream
        return upstream.model_copy(update={"endpoints": registered[upstream.name]})

    return tier.model_copy(update={"upstreams": tuple(map(now, tier.upstreams))})


def _path(location: Sequence[int | str]) -> str:
    first, *rest = location
    return f"endpoints[{first}]" + "".join(f".{part}" for part in rest)
