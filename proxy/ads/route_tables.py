"""A tier's route table in bytes, virtual host by virtual host: a change of a few routes costs those alone.

10,000 routes take two seconds to make and encode, in which no stream is answered.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy import schema
from proxy.domain.tier import Route, Tier
from proxy.domain.translate import kinds, routes

_HOST = "type.googleapis.com/envoy.config.route.v3.VirtualHost"
_HOSTS_FIELD = b"\x12"
"""The tag of field 2, `virtual_hosts`, length-delimited; `name` is field 1, and all others come after."""


@dataclass(frozen=True, slots=True)
class Table:
    """`hosts` are encoded, by name; `fresh` are those that were made last, as plain data."""

    tier: Tier
    hosts: Mapping[str, bytes]
    fresh: tuple[dict[str, Any], ...]

    def encoded(self) -> bytes:
        """Byte for byte what encoding the whole table gives: equal tables have one version on all servers."""
        beside = {"@type": kinds.ROUTES, **routes.beside_hosts(self.tier)}
        parts = [_encode({"@type": kinds.ROUTES, "name": self.tier.name})]
        for host in self.hosts.values():
            parts += [_HOSTS_FIELD, _varint(len(host)), host]
        return b"".join([*parts, _encode(beside)])


def whole(tier: Tier) -> Table:
    """From nothing. Raises Invalid."""
    fresh = tuple(routes.virtual_hosts(tier))
    return Table(tier, {host["name"]: _encode({"@type": _HOST, **host}) for host in fresh}, fresh)


def renewed(old: Table, tier: Tier) -> Table:
    """The table of a tier that is `alike` the old one's. Raises Invalid."""
    pairs = zip(old.tier.routes, tier.routes, strict=True)
    changed = [new for before, new in pairs if new is not before and new != before]
    fresh = tuple(routes.virtual_hosts(tier, {host for route in changed for host in route.hosts}))
    made = {host["name"]: _encode({"@type": _HOST, **host}) for host in fresh}
    return Table(tier, {**old.hosts, **made}, fresh)


def alike(old: Tier, new: Tier) -> bool:
    """Whether they differ in upstreams, limits and in their routes' retries, weights, arms and copies only.

    Nothing else in a route table depends on these, so that other hosts stay.
    """
    if len(old.routes) != len(new.routes) or _frame(old) != _frame(new):
        return False
    return all(
        after is before or _frame_of_route(before, after) == after
        for before, after in zip(old.routes, new.routes, strict=True)
    )


def _frame(tier: Tier) -> Tier:
    """The protocol is all that a table takes of an upstream, and two of the limits are in its routes."""
    upstreams = tuple((upstream.name, upstream.protocol) for upstream in tier.upstreams)
    limits = (tier.limits.request_timeout, tier.limits.stream_idle_timeout)
    return tier.model_copy(update={"routes": (), "upstreams": upstreams, "limits": limits})


def _frame_of_route(before: Route, after: Route) -> Route:
    return before.model_copy(
        update={"retry": after.retry, "split": after.split, "arms": after.arms, "mirror": after.mirror}
    )


def _encode(resource: Mapping[str, Any]) -> bytes:
    return schema.bundled().encode(resource)


def _varint(number: int) -> bytes:
    return bytes(_septets(number))


def _septets(number: int) -> Iterator[int]:
    while number > 0x7F:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number
