"""Open connections counted by the client's address: which one more may be let in."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

CAPACITY = 200_000
FORGOTTEN_AFTER = timedelta(hours=1)
"""Of a connection that old its end was missed, unless connections may live longer than that."""

Owner = str
"""The proxy that holds a connection, as it calls itself."""
Ends = tuple[Owner, int, int]
"""What tells a connection of an address from its others: the proxy, the port there, the client's port."""


@dataclass(slots=True)
class OpenConnections:
    """Counts by client, bounded by `capacity` connections in all: beyond it they are let in and not counted,
    since a full counter must not close the tier.
    """

    capacity: int = CAPACITY
    total: int = 0
    refused: int = 0
    uncounted: int = 0
    _open: dict[str, dict[Ends, datetime]] = field(default_factory=dict)

    def admit(self, address: str, ends: Ends, *, most: int, now: datetime) -> bool:
        """Whether the client may hold this connection besides those that it has; it then counts as open."""
        client = client_of(address)
        held = self._open.get(client, {})
        if ends not in held:
            if len(held) >= most:
                self.refused += 1
                return False
            if self.total >= self.capacity:
                self.uncounted += 1
                return True
            self.total += 1
        self._open.setdefault(client, held)[ends] = now
        return True

    def close(self, address: str, ends: Ends) -> None:
        """The connection is over. One that was refused or not counted changes nothing."""
        client = client_of(address)
        held = self._open.get(client, {})
        if held.pop(ends, None) is not None:
            self.total -= 1
            self._tidy(client)

    def forget_proxy(self, proxy: Owner) -> None:
        """The proxy is gone, or it can no longer say what ends: count its connections from nothing."""
        self._forget(lambda ends, _: ends[0] == proxy)

    def forget_before(self, moment: datetime) -> None:
        """What began before is taken to be over."""
        self._forget(lambda _, began: began < moment)

    def most_open(self, count: int) -> list[tuple[str, int]]:
        """The clients with the most connections, each with its number: largest first."""
        held = sorted(((client, len(open_)) for client, open_ in self._open.items()), key=lambda row: -row[1])
        return held[:count]

    def by_tier(self, client: str) -> dict[str, int]:
        """The client's connections by tier: a proxy calls itself `tier/proxy`."""
        return dict(Counter(proxy.partition("/")[0] for proxy, _, _ in self._open.get(client, {})))

    @property
    def clients(self) -> int:
        return len(self._open)

    def _forget(self, over: Callable[[Ends, datetime], bool]) -> None:
        for client, held in list(self._open.items()):
            kept = {ends: began for ends, began in held.items() if not over(ends, began)}
            self.total -= len(held) - len(kept)
            self._open[client] = kept
            self._tidy(client)

    def _tidy(self, client: str) -> None:
        if not self._open[client]:
            del self._open[client]


def client_of(address: str) -> str:
    """Who an address counts for: itself, or its /64 in IPv6, of which one subscriber has the whole."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
