"""Endpoints that a service registry pushes: how they are read, and how they take their place in a tier."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from pydantic import TypeAdapter, ValidationError

from proxy.domain.errors import Invalid, Problem
from proxy.domain.tier import Endpoint, Tier, Upstream, is_ip

_ENDPOINTS: TypeAdapter[tuple[Endpoint, ...]] = TypeAdapter(tuple[Endpoint, ...])


def endpoints(pushed: Sequence[Any], *, force: bool = False) -> tuple[Endpoint, ...]:
    """The endpoints, in an order that is the same for the same ones.

    Raises Invalid with every mistake; an empty list is one unless it is forced: a registry that has lost
    its own data must not take a service off.
    """
    try:
        found = _ENDPOINTS.validate_python(list(pushed))
    except ValidationError as error:
        raise Invalid((_path(each["loc"]), each["msg"]) for each in error.errors()) from error
    problems = [*_addresses(found), *_doubles(found)]
    if not found and not force:
        problems.append(("endpoints", "an empty list would take the service off: say force to mean it"))
    if problems:
        raise Invalid(problems)
    return tuple(sorted(found, key=lambda one: (one.zone or "", one.address, one.port)))


def _addresses(found: Sequence[Endpoint]) -> Iterator[Problem]:
    for index, one in enumerate(found):
        if not is_ip(one.address):
            yield f"endpoints[{index}].address", "must be an IP address"
        elif (address := ip_address(one.address)).is_unspecified or address.is_multicast:
            yield f"endpoints[{index}].address", f"{one.address} is no machine's: give the instance's own"


def _doubles(found: Sequence[Endpoint]) -> Iterator[Problem]:
    """By place, and by name: a drained name takes every endpoint that bears it."""
    places: set[tuple[str, int]] = set()
    names: set[str | None] = set()
    for index, one in enumerate(found):
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
