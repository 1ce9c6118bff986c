"""How a proxy protects itself before its clients, and whom it holds shorter than the others."""

import re
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from proxy.domain.tier.fields import Address, Declared, Port

_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_WIDEST = {4: 8, 6: 19}
"""The widest ranges that registries give to one holder."""
_SIZE = re.compile(r"(\d+)\s*(KiB|MiB|GiB)")


def _read_size(given: Any) -> Any:
    """`512MiB`, `2GiB`, or a number of bytes."""
    if isinstance(given, str):
        match = _SIZE.fullmatch(given.strip())
        if match is None:
            raise ValueError("not a size: write 512MiB or 2GiB")
        return int(match[1]) * _UNITS[match[2]]
    return given


def _network(value: str) -> str:
    """The range as Envoy compares it: `10.1.2.3/16` is refused, since it may be meant as one address, and so
    is a range that would hold half the world short.
    """
    try:
        network = ip_network(value)
    except ValueError as error:
        raise ValueError(f"not an address or a range such as 198.51.100.0/24: {error}") from None
    if network.prefixlen < _WIDEST[network.version]:
        raise ValueError(f"too wide a range: at most a /{_WIDEST[network.version]}")
    return str(network)


Size = Annotated[int, BeforeValidator(_read_size), Field(ge=1 << 20)]
Network = Annotated[str, AfterValidator(_network)]


class Penalty(Declared):
    """Clients from these ranges share `max_connections` connections a listener; all others do not feel it."""

    prefixes: tuple[Network, ...] = Field(min_length=1)
    max_connections: int = Field(default=3, ge=1)


class ConnectionCounter(Declared):
    """Where `manage.py connections` listens, as a proxy reaches it: it counts connections by address."""

    address: Address = "127.0.0.1"
    port: Port = 18001


class Protection(Declared):
    """What a proxy does at its own limits. `max_heap` and `max_connections` stand in the bootstrap: a proxy
    obeys a change of them after a restart.

    `max_connections` is over all listeners of a proxy; unset, twice `limits.max_connections`.
    `connection_balance` is how new connections come to its workers: as the kernel spreads them, by a hash; or
    `exact`, to the worker that has the fewest, at the price of a lock that all workers take for each.
    """

    max_heap: Size = 1 << 30
    max_connections: int | None = Field(default=None, ge=1)
    penalties: tuple[Penalty, ...] = ()
    connection_counter: ConnectionCounter = ConnectionCounter()
    connection_balance: Literal["kernel", "exact"] = "kernel"

    @model_validator(mode="after")
    def _each_range_once(self) -> Self:
        """Envoy refuses two filter chains that match the same."""
        seen: set[str] = set()
        for prefix in (prefix for penalty in self.penalties for prefix in penalty.prefixes):
            if prefix in seen:
                raise ValueError(f"{prefix} stands in two penalties")
            seen.add(prefix)
        return self

    def with_penalty(self, penalty: Penalty) -> "Protection":
        """The same with one penalty more, which takes over the ranges that another had."""
        kept = tuple(_without(self.penalties, set(penalty.prefixes)))
        return self.model_copy(update={"penalties": (*kept, penalty)})


def _without(penalties: Iterable[Penalty], prefixes: set[str]) -> Iterable[Penalty]:
    for penalty in penalties:
        rest = tuple(prefix for prefix in penalty.prefixes if prefix not in prefixes)
        if rest:
            yield penalty.model_copy(update={"prefixes": rest})
