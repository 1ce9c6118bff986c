"""What waits for one proxy's conversation, within bounds whatever the proxy and the database do."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from proxy.ads.snapshot import Snapshot

MOST_REQUESTS = 1_000
"""An Envoy that starts asks once a kind and once a secret or filter; each answer is acknowledged once."""
MOST_BYTES = 16 << 20
"""A request names every resource that it wants: 10,000 clusters are some 300 KB."""


class Flooded(Exception):
    """The client asks faster than it can be answered."""


@dataclass(slots=True)
class Inbox:
    """Requests in their order, and before them the newest snapshot: one that is overtaken is never sent."""

    _snapshot: Snapshot | None = None
    _requests: deque[Any] = field(default_factory=deque)
    _bytes: int = 0
    _ended: bool = False
    _something: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, snapshot: Snapshot) -> None:
        """In place of the snapshot that waits."""
        self._snapshot = snapshot
        self._something.set()

    def ask(self, request: Any) -> None:
        """One more DiscoveryRequest. Raises Flooded where too much waits."""
        self._requests.append(request)
        self._bytes += request.ByteSize()
        self._something.set()
        if len(self._requests) > MOST_REQUESTS or self._bytes > MOST_BYTES:
            raise Flooded(f"{len(self._requests)} requests of {self._bytes} bytes wait")

    def end(self) -> None:
        """The client asks no more."""
        self._ended = True
        self._something.set()

    async def next(self) -> Any:
        """A Snapshot, a DiscoveryRequest, or None at the end."""
        while True:
            if self._snapshot is not None:
                snapshot, self._snapshot = self._snapshot, None
                return snapshot
            if self._requests:
                request = self._requests.popleft()
                self._bytes -= request.ByteSize()
                return request
            if self._ended:
                return None
            self._something.clear()
            await self._something.wait()
