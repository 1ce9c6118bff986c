"""Endpoints that a service registry pushes: how they are read, and how they take their place in a tier."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from proxy.domain.errors import Invalid
from proxy.domain.tier import Endpoint, Tier, Upstream, is_ip

_ENDPOINTS: TypeAdapter[tuple[Endpoint, ...]] = TypeAdapter(tuple[Endpoint, ...])


def endpoints(pushed: Sequence[Mapping[str, Any]], *, force: bool = False) -> tuple[Endpoint, ...]:
    """The endpoints, in an order that is the same for the same ones.

    Raises Invalid with every mistake; an empty list is one unless it is forced: a registry that has lost
    its own data must not take a service off.
    """
    try:
        found = _ENDPOINTS.validate_python([dict(each) for each in pushed])
    except ValidationError as error:
        raise Invalid((_path(each["loc"]), each["msg"]) for each in error.errors()) from error
    problems = [
        (f"endpoints[{i}].address", "must be an IP address")
        for i, one in enumerate(found)
        if not is_ip(one.address)
    ]
    places = [(one.address, one.port) for one in found]
    problems += [(f"endpoints[{i}]", "stands twice") for i, place in enumerate(places) if place in places[:i]]
    if not found and not force:
        problems.append(("endpoints", "an empty list would take the service off: say force to mean it"))
    if problems:
        raise Invalid(problems)
    return tuple(sorted(found, key=lambda one: (one.zone or "", one.address, one.port)))


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
