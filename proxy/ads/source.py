"""Where snapshots come from: the database, asked every few hundredths of a second by one cheap query.

An overlay's expiry is kept here, in memory: with the database gone and every worker dead the tier still
returns to its base on time. All database work is done on one thread of its own.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import connections
from django.utils import timezone

from proxy import selectors, services
from proxy.ads.snapshot import Snapshot, snapshots
from proxy.domain.errors import ProxyError
from proxy.selectors import Pulse, Served

log = logging.getLogger("sluice.xds")

POLL = timedelta(milliseconds=50)
SEEN = timedelta(seconds=2)
T = TypeVar("T")
Key = tuple[str, str]
"""A tier's name and a proxy's."""


@dataclass(slots=True)
class _TierState:
    """What a tier was rendered from, and when it must be rendered again by itself."""

    served: Served
    next_expiry: datetime | None


@dataclass(slots=True)
class Source:
    """The newest snapshot of each proxy, and who waits for the next; also the way back into the database."""

    pki_directory: Path
    newest: dict[Key, Snapshot] = field(default_factory=dict)
    _tiers: dict[str, _TierState] = field(default_factory=dict)
    _listeners: dict[Key, list[Callable[[Snapshot], None]]] = field(default_factory=dict)
    _writes: list[Callable[[], None]] = field(default_factory=list)
    _connected: dict[Key, int] = field(default_factory=dict)
    _seen_at: datetime | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="database")
    )

    def listen(self, key: Key, listener: Callable[[Snapshot], None]) -> None:
        """Call `listener` with every new snapshot of the proxy, from the event loop."""
        self._listeners.setdefault(key, []).append(listener)

    def unlisten(self, key: Key, listener: Callable[[Snapshot], None]) -> None:
        self._listeners[key].remove(listener)

    def connected(self, key: Key) -> None:
        """The proxy opened a stream."""
        self._connected[key] = self._connected.get(key, 0) + 1
        now = timezone.now()
        self._later(lambda: services.record_connection(tier=key[0], proxy=key[1], now=now))

    def disconnected(self, key: Key) -> None:
        """A stream ended. A proxy that reconnected has its new one before the old is seen to end."""
        self._connected[key] -= 1
        if self._connected[key] <= 0:
            del self._connected[key]
            now = timezone.now()
            self._later(lambda: services.record_disconnection(tier=key[0], proxy=key[1], now=now))

    def acked(self, key: Key, generation: int) -> None:
        """The proxy runs this generation."""
        now = timezone.now()
        self._later(lambda: services.record_ack(tier=key[0], proxy=key[1], generation=generation, now=now))

    def refused(self, key: Key, generation: int, kind: str, reason: str) -> None:
        """The proxy refused resources of this generation."""
        now = timezone.now()
        self._later(
            lambda: services.record_nack(
                tier=key[0], proxy=key[1], generation=generation, kind=kind, reason=reason, now=now
            )
        )

    async def run(self) -> None:
        """Poll for ever. Every error of the database is logged and outlived: the proxies keep what they
        have.
        """
        self._later(lambda: services.record_all_disconnected(now=timezone.now()))
        await asyncio.gather(self._follow_database(), self.keep_time())

    async def _follow_database(self) -> None:
        while True:
            self._wake.clear()
            await self.flush()
            await self._poll()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL.total_seconds())

    async def keep_time(self) -> None:
        """Apart from the database, which may hang: what has run out is taken from the proxies all the
        same.
        """
        while True:
            now = timezone.now()
            for tier, state in list(self._tiers.items()):
                if state.next_expiry is not None and state.next_expiry <= now:
                    self.render(tier, state.served, now)
            await asyncio.sleep(POLL.total_seconds())

    def _later(self, write: Callable[[], None]) -> None:
        self._writes.append(write)
        self._wake.set()

    async def flush(self) -> None:
        """Write what is waiting, in its order; what fails is tried again with the next poll."""
        now = timezone.now()
        if self._connected and (self._seen_at is None or now - self._seen_at >= SEEN):
            self._seen_at = now
            seen = list(self._connected)
            self._writes.append(lambda: services.record_seen(proxies=seen, now=now))
        while self._writes:
            if await self._in_thread(self._writes[0], "recording") is _FAILED:
                return
            self._writes.pop(0)

    async def _poll(self) -> None:
        pulses = await self._in_thread(selectors.pulses, "polling")
        if isinstance(pulses, _Failed):
            return
        for pulse in pulses:
            if pulse.next_expiry is not None and pulse.next_expiry <= timezone.now():
                self._later(_expire)
            if self._is_new(pulse):
                await self._reload(pulse.tier)

    def _is_new(self, pulse: Pulse) -> bool:
        state = self._tiers.get(pulse.tier)
        if state is None or state.served.generation != pulse.generation:
            return True
        # A renewal moves an expiry without a new generation.
        due = pulse.next_expiry is not None and pulse.next_expiry <= timezone.now()
        return not due and pulse.next_expiry != state.next_expiry

    async def _reload(self, tier: str) -> None:
        now = timezone.now()
        served = await self._in_thread(lambda: selectors.served(tier, now=now), f"reading tier {tier}")
        if not isinstance(served, _Failed):
            self.render(tier, served, timezone.now())

    def render(self, tier: str, served: Served, now: datetime) -> None:
        expiries = [overlay.expires_at for overlay in served.overlays if overlay.expires_at > now]
        self._tiers[tier] = _TierState(served, min(expiries, default=None))
        try:
            made = snapshots(
                base=served.base,
                live=served.at(now),
                generation=served.generation,
                pki_directory=self.pki_directory,
                now=now,
            )
        except (ProxyError, OSError):
            log.exception(
                "tier %s generation %s cannot be served; the proxies keep what they have",
                tier,
                served.generation,
            )
            return
        log.info("tier %s: generation %s", tier, served.generation)
        for proxy, snapshot in made.items():
            self.newest[tier, proxy] = snapshot
            for listener in list(self._listeners.get((tier, proxy), ())):
                listener(snapshot)

    async def _in_thread(self, work: Callable[[], T], what: str) -> "T | _Failed":
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (DatabaseError, ProxyError, ValueError) as error:
            log.warning("%s: %s", what, error)
            await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
            await asyncio.sleep(0.5)
            return _FAILED


class _Failed:
    """The database did not answer."""


_FAILED = _Failed()


def _expire() -> None:
    services.expire(now=timezone.now())
