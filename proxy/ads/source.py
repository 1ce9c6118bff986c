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
from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from proxy import selectors, services
from proxy.ads.snapshot import Snapshot, snapshots
from proxy.domain.errors import ProxyError
from proxy.selectors import Pulse, Served

log = logging.getLogger("sluice.xds")

POLL = timedelta(milliseconds=50)
SEEN = timedelta(seconds=2)
AGAIN = timedelta(seconds=1)
"""After what could not be rendered, such as for a full disk, it is tried again."""
RECOVERABLE = (OperationalError, InterfaceError)
"""Of these the database recovers, so that the same write is worth another try; of others it may not."""
TRIES = 5
T = TypeVar("T")
Key = tuple[str, str]
"""A tier's name and a proxy's."""


@dataclass(slots=True)
class _TierState:
    """What a tier was rendered from, and when it must be rendered again by itself."""

    served: Served
    next_expiry: datetime | None


@dataclass(slots=True)
class _Write:
    """Something for the database to record, and how often it failed."""

    do: Callable[[], object]
    failed: int = 0


@dataclass(slots=True)
class Source:
    """The newest snapshot of each proxy, and who waits for the next; also the way back into the database."""

    pki_directory: Path
    newest: dict[Key, Snapshot] = field(default_factory=dict)
    _tiers: dict[str, _TierState] = field(default_factory=dict)
    _again: dict[tuple[str, int], datetime] = field(default_factory=dict)
    _listeners: dict[Key, list[Callable[[Snapshot], None]]] = field(default_factory=dict)
    _writes: dict[tuple[str, Key | None], _Write] = field(default_factory=dict)
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
        self.later("connection", key, lambda: services.record_connection(tier=key[0], proxy=key[1], now=now))

    def disconnected(self, key: Key) -> None:
        """A stream ended. A proxy that reconnected has its new one before the old is seen to end."""
        self._connected[key] -= 1
        if self._connected[key] <= 0:
            del self._connected[key]
            now = timezone.now()
            self.later(
                "connection", key, lambda: services.record_disconnection(tier=key[0], proxy=key[1], now=now)
            )

    def acked(self, key: Key, generation: int) -> None:
        """The proxy runs this generation."""
        now = timezone.now()
        self.later(
            "ack",
            key,
            lambda: services.record_ack(tier=key[0], proxy=key[1], generation=generation, now=now),
        )

    def acked_weights(self, key: Key, generation: int) -> None:
        """The proxy runs this generation's weights."""
        now = timezone.now()
        self.later(
            "weights",
            key,
            lambda: services.record_weights_ack(tier=key[0], proxy=key[1], generation=generation, now=now),
        )

    def refused(self, key: Key, generation: int, kind: str, reason: str) -> None:
        """The proxy refused resources of this generation."""
        now = timezone.now()
        self.later(
            "refusal",
            key,
            lambda: services.record_nack(
                tier=key[0], proxy=key[1], generation=generation, kind=kind, reason=reason, now=now
            ),
        )

    async def run(self) -> None:
        """Poll for ever. Every error of the database is logged and outlived: the proxies keep what they
        have.
        """
        self.later("start", None, lambda: services.record_all_disconnected(now=timezone.now()))
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
                due = state.next_expiry is not None and state.next_expiry <= now
                if due and not self._must_wait(tier, state.served.generation, now):
                    self.render(tier, state.served, now)
            await asyncio.sleep(POLL.total_seconds())

    def later(self, what: str, key: Key | None, write: Callable[[], object]) -> None:
        """One write of a sort waits for each proxy, the newest: a database that is away costs no memory."""
        self._writes.pop((what, key), None)
        self._writes[what, key] = _Write(write)
        self._wake.set()

    async def flush(self) -> None:
        """Write what is waiting, in its order; what fails is tried again with the next poll."""
        now = timezone.now()
        if self._connected and (self._seen_at is None or now - self._seen_at >= SEEN):
            self._seen_at = now
            seen = list(self._connected)
            self.later("seen", None, lambda: services.record_seen(proxies=seen, now=now))
        while self._writes:
            which = next(iter(self._writes))
            write = self._writes.pop(which)
            failed = await self._in_thread(write.do, f"recording a proxy's {which[0]}")
            if isinstance(failed, _Failed):
                self._keep(which, write, failed)
                return

    def _keep(self, which: tuple[str, Key | None], write: _Write, failed: "_Failed") -> None:
        """What failed stays the first, unless a newer one of its sort came or it fails for good."""
        write.failed += not isinstance(failed.error, RECOVERABLE)
        if write.failed >= TRIES:
            log.error("not recorded: the %s of %s: %s", which[0], which[1], failed.error)
        elif which not in self._writes:
            self._writes = {which: write, **self._writes}

    async def _poll(self) -> None:
        pulses = await self._in_thread(selectors.pulses, "polling")
        if isinstance(pulses, _Failed):
            return
        for pulse in pulses:
            now = timezone.now()
            if pulse.next_expiry is not None and pulse.next_expiry <= now:
                self.later("expiry", None, lambda: services.expire(now=timezone.now()))
            if self.is_due(pulse, now):
                await self._reload(pulse.tier)

    def is_due(self, pulse: Pulse, now: datetime) -> bool:
        """Whether the tier must be read and rendered anew."""
        return self._is_new(pulse, now) and not self._must_wait(pulse.tier, pulse.generation, now)

    def _is_new(self, pulse: Pulse, now: datetime) -> bool:
        state = self._tiers.get(pulse.tier)
        if state is None or state.served.generation != pulse.generation:
            return True
        # A renewal moves an expiry without a new generation.
        due = pulse.next_expiry is not None and pulse.next_expiry <= now
        return not due and pulse.next_expiry != state.next_expiry

    def _must_wait(self, tier: str, generation: int, now: datetime) -> bool:
        again = self._again.get((tier, generation))
        return again is not None and now < again

    async def _reload(self, tier: str) -> None:
        now = timezone.now()
        served = await self._in_thread(lambda: selectors.served(tier, now=now), f"reading tier {tier}")
        if not isinstance(served, _Failed):
            self.render(tier, served, timezone.now())

    def render(self, tier: str, served: Served, now: datetime) -> None:
        """Make the tier's snapshots and hand them to who listens.

        Where that fails, what was served before stays, and goes on losing the overlays that run out.
        """
        try:
            made = snapshots(
                base=served.base,
                live=served.at(now),
                generation=served.generation,
                pki_directory=self.pki_directory,
                now=now,
            )
        except (ProxyError, OSError):
            if (tier, served.generation) not in self._again:
                log.exception(
                    "tier %s generation %s cannot be served; the proxies keep what they have",
                    tier,
                    served.generation,
                )
            self._again[tier, served.generation] = now + AGAIN
            return
        self._again = {which: at for which, at in self._again.items() if which[0] != tier}
        expiries = [overlay.expires_at for overlay in served.overlays if overlay.expires_at > now]
        self._tiers[tier] = _TierState(served, min(expiries, default=None))
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
            return _Failed(error)


@dataclass(frozen=True, slots=True)
class _Failed:
    """The database did not do it."""

    error: Exception
