"""How much memory requests in flight can hold in a proxy, and how many it takes until it sheds.

    ceiling = concurrent requests x buffered bytes

100,000 requests x 64 KB are 6.4 GB. What stands still is held on both sides of the proxy, towards the
backend and towards the client, each up to `limits.buffer_bytes`, or an HTTP/2 stream's window where that is
more. Seen on Envoy 1.40 with 64 KiB: 132 KB for an answer that nobody reads, 156 KB for a body that no
backend takes; some 8 KB of it are the connection's own. From SHED of the heap on a proxy answers new requests
with 503.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.domain.tier import Tier
from proxy.domain.translate.overload import max_connections

STREAM_WINDOW = 65_536
"""`initial_stream_window_size`, as every tier is given it."""

SIDES = 2
SHED = 0.9
"""The share of `protection.max_heap` from which on requests are shed."""


def ceiling(concurrent: float, buffered_bytes: float) -> float:
    """Bytes that so many requests hold at most."""
    return concurrent * buffered_bytes


@dataclass(frozen=True, slots=True)
class Buffers:
    """One proxy of a tier. Bytes; `peak` is the most requests in flight that were measured, None unknown."""

    each_side: int
    heap: int
    connections: int
    streams: int
    peak: float | None = None

    @property
    def per_request(self) -> int:
        return SIDES * self.each_side

    @property
    def at_peak(self) -> float | None:
        return None if self.peak is None else ceiling(self.peak, self.per_request)

    @property
    def until_shed(self) -> int:
        """So many requests fill the heap, were there nothing else in it."""
        return int(self.heap * SHED / self.per_request)

    @property
    def one_each(self) -> float:
        """Every connection that is let in holds one request."""
        return ceiling(self.connections, self.per_request)

    @property
    def all_streams(self) -> float:
        """Every connection is HTTP/2 and holds as many requests as it may."""
        return ceiling(self.connections * self.streams, self.per_request)

    @property
    def holds(self) -> bool | None:
        """Whether the measured peak stays below the heap's share; None where nothing was measured."""
        return None if self.peak is None else self.peak < self.until_shed

    def moves(self) -> Iterator[str]:
        """What moves the ceiling, the nearest setting first."""
        if self.each_side > STREAM_WINDOW:
            yield f"limits.buffer_bytes ({self.each_side}) down: less per request"
        yield f"protection.max_heap ({self.heap}) up: more requests until they are shed"
        yield f"limits.max_connections ({self.connections} over all listeners) down: fewer requests at once"
        yield f"limits.max_concurrent_streams ({self.streams}) down: fewer of them on one HTTP/2 connection"


def buffers(tier: Tier, peak: float | None) -> Buffers:
    """Of one proxy, as the tier is served."""
    return Buffers(
        each_side=max(tier.limits.buffer_bytes, STREAM_WINDOW),
        heap=tier.protection.max_heap,
        connections=max_connections(tier),
        streams=tier.limits.max_concurrent_streams,
        peak=peak,
    )


def size(number: float) -> str:
    """Bytes as people read them, in the units that a tier is declared in."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= bytes_:
            return f"{number / bytes_:.3g} {unit}"
    return f"{number:.0f} bytes"
