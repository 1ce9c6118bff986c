"""What the proxies say on their streams, on its way into the database.

A database that is away costs no memory: of each sort the newest waits. What many proxies say alike is written
at once: a change that 1,000 of them acknowledge is a handful of queries.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django.db import InterfaceError, OperationalError

from proxy import services
from proxy.ads.database import Database, Failed

log = logging.getLogger("sluice.xds")

SEEN = timedelta(seconds=2)
RECOVERABLE = (OperationalError, InterfaceError)
"""Of these the database recovers, so that the same write is worth another try; of others it may not."""
TRIES = 5
Key = tuple[str, str]
"""A tier's name and a proxy's."""
Sort = tuple[str, Hashable]
"""What is said, and of what: a proxy, a tier, a tier's generation."""


@dataclass(slots=True)
class _Write:
    """Something for the database to record of these proxies, and how often it failed."""

    do: Callable[[Collection[str]], object]
    proxies: dict[str, None] = field(default_factory=dict)
    failed: int = 0


@dataclass(slots=True)
class Reports:
    """What waits to be recorded. `wake` is set when there is something."""

    database: Database
    server: str = ""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _writes: dict[Sort, _Write] = field(default_factory=dict)
    _connected: dict[Key, int] = field(default_factory=dict)
    _seen_at: datetime | None = None
    _flushing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def connected(self, key: Key, now: datetime, identity_ends_at: datetime | None = None) -> None:
        """The proxy opened a stream; its certificate is good until then."""
        self._connected[key] = self._connected.get(key, 0) + 1
        tier, proxy = key
        self._unsaid("disconnection", key)
        write = partial(services.record_connection, tier=tier, server=self.server, now=now)
        self._said("connection", tier, proxy, write)
        if identity_ends_at is not None:
            ends = partial(services.record_identity, tier=tier, proxy=proxy, ends_at=identity_ends_at)
            self.later("identity", key, ends)

    def disconnected(self, key: Key, now: datetime) -> None:
        """A stream ended. A proxy that reconnected has its new one before the old is seen to end."""
        self._connected[key] -= 1
        if self._connected[key] > 0:
            return
        del self._connected[key]
        tier, proxy = key
        self._unsaid("connection", key)
        write = partial(services.record_disconnection, tier=tier, server=self.server, now=now)
        self._said("disconnection", tier, proxy, write)

    def acked(self, key: Key, generation: int, now: datetime) -> None:
        """The proxy runs this generation."""
        tier, proxy = key
        write = partial(services.record_ack, tier=tier, generation=generation, now=now)
        self._said("ack", (tier, generation), proxy, write)

    def acked_weights(self, key: Key, generation: int, now: datetime) -> None:
        """The proxy runs this generation's weights."""
        tier, proxy = key
        write = partial(services.record_weights_ack, tier=tier, generation=generation, now=now)
        self._said("weights", (tier, generation), proxy, write)

    def refused(self, key: Key, generation: int, kind: str, reason: str, now: datetime) -> None:
        """The proxy refused resources of this generation."""
        tier, proxy = key
        write = partial(
            services.record_nack,
            tier=tier,
            proxy=proxy,
            generation=generation,
            kind=kind,
            reason=reason,
            now=now,
        )
        self.later("refusal", key, write)

    def later(self, what: str, of: Hashable, write: Callable[[], object]) -> None:
        """Record it soon, in place of what waits of this sort."""
        self._writes.pop((what, of), None)
        self._writes[what, of] = _Write(lambda _: write())
        self.wake.set()

    @property
    def here(self) -> Collection[Key]:
        """Whose streams are open."""
        return self._connected.keys()

    def see(self, now: datetime) -> None:
        """Say who is here, every two seconds; and so that those of a server that fell silent are lost."""
        if self._seen_at is not None and now - self._seen_at < SEEN:
            return
        self._seen_at = now
        for tier, proxy in self.here:
            write = partial(services.record_seen, tier=tier, server=self.server, now=now)
            self._said("seen", tier, proxy, write)
        self.later("silence", None, partial(services.record_silence, now=now))

    async def flush(self) -> None:
        """Write what is waiting, in its order; what fails is tried again the next time.

        What is said meanwhile waits for the next time, so that 1,000 proxies that answer hold up no change.
        Who cancels this in the middle loses what is being written: shield it.
        """
        async with self._flushing:
            for sort in list(self._writes):
                write = self._writes.pop(sort, None)
                if write is None:
                    continue  # what came meanwhile took it back
                failed = await self.database.do(
                    partial(write.do, list(write.proxies)), f"recording: {sort[0]}"
                )
                if isinstance(failed, Failed):
                    self._keep(sort, write, failed)
                    return

    async def finish(self) -> None:
        """Write all that is waiting, where the database takes it within a few tries."""
        for _ in range(TRIES):
            await self.flush()
            if not self._writes:
                return

    def _said(self, what: str, of: Hashable, proxy: str, write: Callable[..., object]) -> None:
        """Add the proxy to those who said this; `write` takes them as `proxies`."""
        waiting = self._writes.setdefault((what, of), _Write(lambda proxies: write(proxies=proxies)))
        waiting.proxies[proxy] = None
        self.wake.set()

    def _unsaid(self, what: str, key: Key) -> None:
        """The proxy's later word makes this one untrue, if it still waits."""
        tier, proxy = key
        waiting = self._writes.get((what, tier))
        if waiting is not None:
            waiting.proxies.pop(proxy, None)

    def _keep(self, sort: Sort, write: _Write, failed: Failed) -> None:
        """What failed stays the first, with who said the same meanwhile, unless it fails for good."""
        write.failed += not isinstance(failed.error, RECOVERABLE)
        newer = self._writes.pop(sort, None)
        kept: _Write | None = write
        if write.failed >= TRIES:
            log.error("not recorded: the %s of %s: %s", *sort, failed.error)
            kept = newer
        elif newer is not None:
            kept = _Write(newer.do, {**write.proxies, **newer.proxies})
        if kept is not None:
            self._writes = {sort: kept, **self._writes}
