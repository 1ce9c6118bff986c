"""What every patch can do, and how one is laid over a part of a tier."""

from abc import abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from proxy.domain.errors import UnknownTarget
from proxy.domain.tier import Declared, Route, Tier, Upstream, seconds

V = TypeVar("V", int, float, timedelta)


class Change(Declared):
    """A patch of one kind. Pure: neither method changes the tier that it is given."""

    @property
    @abstractmethod
    def target(self) -> str:
        """What it changes and what a lease is held on."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What it does, as a person says it: it completes "the plan is to"."""

    @abstractmethod
    def check(self, tier: Tier) -> None:
        """Raises Invalid or UnknownTarget where it does not fit the tier."""

    @abstractmethod
    def over(self, tier: Tier) -> Tier:
        """The tier with it; the tier fits."""


def route(tier: Tier, name: str) -> Route:
    """Raises UnknownTarget."""
    found = tier.route(name)
    if found is None:
        raise UnknownTarget(f"tier {tier.name} has no route {name}")
    return found


def upstream(tier: Tier, name: str) -> Upstream:
    """Raises UnknownTarget."""
    found = tier.upstream(name)
    if found is None:
        raise UnknownTarget(f"tier {tier.name} has no upstream {name}")
    return found


def with_route(tier: Tier, name: str, change: Callable[[Route], Route]) -> Tier:
    """The tier with one route changed; the others are the very same."""
    place = next(place for place, each in enumerate(tier.routes) if each.name == name)
    routes = (*tier.routes[:place], change(tier.routes[place]), *tier.routes[place + 1 :])
    return tier.model_copy(update={"routes": routes})


def with_upstream(tier: Tier, name: str, change: Callable[[Upstream], Upstream]) -> Tier:
    """The tier with one upstream changed; the others are the very same."""
    upstreams = tuple(change(each) if each.name == name else each for each in tier.upstreams)
    return tier.model_copy(update={"upstreams": upstreams})


def tighter(declared: V | None, wanted: V | None) -> V | None:
    """The smaller of a limit that is declared and one that is wanted; None is no limit."""
    if wanted is None or declared is None:
        return declared if wanted is None else wanted
    return min(declared, wanted)


def listed(**values: object) -> str:
    """The values that are there with their names, as a person reads them."""
    told = ((name.replace("_", " "), value) for name, value in values.items() if value is not None)
    return ", ".join(f"{name} {_told(value)}" for name, value in told)


def _told(value: object) -> str:
    return seconds(value) if isinstance(value, timedelta) else str(value)
