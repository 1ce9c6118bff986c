"""Where snapshots come from: the database, asked every few hundredths of a second by one cheap query.

An overlay's expiry is kept here, in memory: with the database gone and every worker dead the tier still
returns to its base on time.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from django.utils import timezone

from proxy import materials, selectors, services
from proxy.ads.database import Database, Failed
from proxy.ads.last_good import Keeper, kept
from proxy.ads.reports import Key, Reports
from proxy.ads.snapshot import Renderer, Snapshot
from proxy.domain.errors import Problem, ProxyError
from proxy.domain.tier import Tier
from proxy.domain.translate.secrets import Material
from proxy.selectors import Pulse, Served

log = logging.getLogger("sluice.xds")

POLL = timedelta(milliseconds=50)
LOOK = timedelta(seconds=1)
"""So often the files of certificates and keys are looked at: one that changed, or is to be renewed."""
STALE = timedelta(seconds=1)
"""So long after the database was last read, another server may have given the proxies something newer."""
MOMENT = timedelta(microseconds=1)
KNOWN = 500
"""So many versions of a proxy's resources are remembered."""
AGAIN = timedelta(seconds=1)
"""After what could not be rendered, such as for a full disk, it is tried again."""


@dataclass(slots=True)
class _TierState:
    """What a tier was rendered from, and when it must be rendered again by itself."""

    served: Served
    next_expiry: datetime | None
    material: Material
    kept: bool = False


@dataclass(slots=True)
class Source:
    """The newest snapshot of each proxy, and who waits for the next. What they say goes to `reports`."""

    pki_directory: Path
    server: str = ""
    keeper: Keeper | None = None
    newest: dict[Key, Snapshot] = field(default_factory=dict)
    _renderer: Renderer = field(default_factory=Renderer)
    _tiers: dict[str, _TierState] = field(default_factory=dict)
    _again: dict[tuple[str, int], datetime] = field(default_factory=dict)
    _listeners: dict[Key, list[Callable[[Snapshot], None]]] = field(default_factory=dict)
    _looked_at: datetime | None = None
    _turned_at: datetime | None = None
    _unfit: dict[str, list[Problem]] = field(default_factory=dict)
    _known: dict[Key, dict[str, None]] = field(default_factory=dict)
    _behind: set[str] = field(default_factory=set)
    _polled_at: datetime | None = None
    _waiting: "list[asyncio.Future[None]]" = field(default_factory=list)
    _database: Database = field(default_factory=Database)
    reports: Reports = field(init=False)

    def __post_init__(self) -> None:
        """The same thread reads and records: what it records of a generation it has read before."""
        self.reports = Reports(self._database, self.server)

    def listen(self, key: Key, listener: Callable[[Snapshot], None]) -> None:
        """Call `listener` with every new snapshot of the proxy, from the event loop."""
        self._listeners.setdefault(key, []).append(listener)

    def unlisten(self, key: Key, listener: Callable[[Snapshot], None]) -> None:
        """The same; also where it never did."""
        with suppress(KeyError, ValueError):
            self._listeners[key].remove(listener)
            if not self._listeners[key]:
                del self._listeners[key]

    def at_a_start(self, key: Key) -> Snapshot | None:
        """What a proxy that comes now meets; None where nothing is known of it."""
        newest = self.newest.get(key)
        known = frozenset(self._known.get(key, ()))
        return replace(newest, stale=self._is_stale(key[0]), known=known) if newest is not None else None

    def _forget(self, undeclared: Iterable[Key]) -> None:
        """Who comes with the certificate of one of these gets nothing: it may be stolen."""
        for key in undeclared:
            del self.newest[key]
            self._known.pop(key, None)

    def _know(self, snapshot: Snapshot, key: Key) -> None:
        known = self._known.setdefault(key, {})
        known.update(dict.fromkeys(each.version for each in snapshot.kinds.values()))
        for oldest in list(known)[:-KNOWN]:
            del known[oldest]

    @property
    def stale(self) -> bool:
        """Whether the database may hold what is not known here."""
        return self._polled_at is None or timezone.now() - self._polled_at > STALE

    def _is_stale(self, tier: str) -> bool:
        """Also where the tier's newest revision is not understood here: another server may have served it."""
        return self.stale or tier in self._behind

    async def caught_up(self) -> None:
        """Returns when the database was read once more, or after a second in which it could not be.

        A proxy that comes from another server is not given what was older than what that one gave it.
        """
        caught_up = asyncio.get_running_loop().create_future()
        self._waiting.append(caught_up)
        self.reports.wake.set()
        await asyncio.wait({caught_up}, timeout=STALE.total_seconds())

    async def run(self) -> None:
        """Poll for ever. Every error of the database is logged and outlived: the proxies keep what they
        have.
        """
        self.reports.later("start", None, partial(services.record_start, server=self.server))
        keeping = [self.keeper.run()] if self.keeper else []
        await asyncio.gather(self._follow_database(), self.keep_time(), *keeping)

    async def _follow_database(self) -> None:
        while True:
            self.reports.wake.clear()
            waiting, self._waiting = self._waiting, []
            self.reports.see(timezone.now())
            await asyncio.shield(self.reports.flush())  # a stop in the middle of it loses no write
            await self._poll()
            for caught_up in waiting:
                if not caught_up.done():
                    caught_up.set_result(None)
            await self._turn_tickets()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.reports.wake.wait(), POLL.total_seconds())

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
            if self._looked_at is None or now - self._looked_at >= LOOK:
                self._looked_at = now
                self.look_at_files(now)
            await asyncio.sleep(POLL.total_seconds())

    def look_at_files(self, now: datetime) -> None:
        """Push the secrets that are others than those served: no generation, since nothing was decided."""
        for tier, state in list(self._tiers.items()):
            try:
                material = self._material(state.served.base, now)
            except (ProxyError, OSError) as error:
                log.warning("tier %s: its secrets stay as they are: %s", tier, error)
                continue
            if material != state.material:
                self.render(tier, state.served, now)

    def _material(self, tier: Tier, now: datetime) -> Material:
        """Raises OSError or Unreadable. Files that cannot be served are told once."""
        material, problems = materials.of(self.pki_directory, tier, now=now)
        if problems != self._unfit.get(tier.name, []):
            for path, why in problems:
                log.error("%s: %s; the proxies keep what they have of it", path, why)
            self._unfit[tier.name] = problems
        return material

    async def _poll(self) -> None:
        pulses = await self._database.do(selectors.pulses, "polling")
        if isinstance(pulses, Failed):
            self._polled_at = None
            self._take_last_good()
            return
        was_stale = self.stale
        for pulse in pulses:
            now = timezone.now()
            if pulse.next_expiry is not None and pulse.next_expiry <= now:
                self.reports.later("expiry", None, lambda: services.expire(now=timezone.now()))
            if self.is_due(pulse, now):
                await self._reload(pulse.tier)
        self._polled_at = timezone.now()
        if was_stale:
            self.tell_that_it_is_fresh()

    def _take_last_good(self) -> None:
        """The database does not answer a server that has just begun: it serves what an earlier one kept."""
        if not self._tiers:
            self._serve_kept("the database does not answer")

    def _serve_kept(self, why: str, only: str | None = None) -> None:
        if self.keeper is None:
            return
        for served in kept(self.keeper.folder):
            if only not in (None, served.base.name):
                continue
            log.warning("tier %s: %s; served is what was kept", served.base.name, why)
            # As it was before each overlay ran out, too: so a proxy that has that is known to be behind.
            now = timezone.now()
            over = sorted(row.expires_at for row in served.overlays if row.expires_at <= now)
            for moment in [*(ended - MOMENT for ended in over), now]:
                self.render(served.base.name, served, moment)
            if served.base.name in self._tiers:
                self._tiers[served.base.name].kept = True

    def tell_that_it_is_fresh(self) -> None:
        fresh = [(key, each) for key, each in self.newest.items() if key[0] not in self._behind]
        for key, snapshot in fresh:
            self.newest[key] = replace(snapshot, stale=False)
            for listener in list(self._listeners.get(key, ())):
                listener(self.newest[key])

    async def _turn_tickets(self) -> None:
        """Here, since the keys are where they are served from."""
        now = timezone.now()
        if self._turned_at is not None and now - self._turned_at < LOOK:
            return
        self._turned_at = now
        for tier, state in list(self._tiers.items()):
            turn = partial(
                services.turn_tickets,
                tier=tier,
                settings=state.served.base.tls.session_tickets,
                directory=self.pki_directory,
                now=now,
            )
            await self._database.do(turn, f"turning the ticket keys of {tier}")

    def is_due(self, pulse: Pulse, now: datetime) -> bool:
        """Whether the tier must be read and rendered anew."""
        return self._is_new(pulse, now) and not self._must_wait(pulse.tier, pulse.generation, now)

    def _is_new(self, pulse: Pulse, now: datetime) -> bool:
        state = self._tiers.get(pulse.tier)
        if state is None or state.kept or state.served.generation != pulse.generation:
            return True
        # A renewal moves an expiry without a new generation.
        due = pulse.next_expiry is not None and pulse.next_expiry <= now
        return not due and pulse.next_expiry != state.next_expiry

    def _must_wait(self, tier: str, generation: int, now: datetime) -> bool:
        again = self._again.get((tier, generation))
        return again is not None and now < again

    async def _reload(self, tier: str) -> None:
        now = timezone.now()
        served = await self._database.do(lambda: selectors.served(tier, now=now), f"reading tier {tier}")
        if not isinstance(served, Failed):
            self.take(served, timezone.now())

    def take(self, served: Served, now: datetime) -> None:
        """What the database has of a tier. Served is only what is understood from end to end."""
        tier = served.base.name
        for line in served.troubles:
            log.error("tier %s: %s", tier, line)
        (self._behind.add if served.behind else self._behind.discard)(tier)
        if served.whole:
            self.render(tier, served, now)
        else:
            self._refuse(tier, served, now)
        if self.keeper is not None and not served.behind:
            self.keeper.later(served)

    def _refuse(self, tier: str, served: Served, now: datetime) -> None:
        """No revision of the tier is understood: who has something keeps it."""
        if (tier, served.generation) not in self._again:
            log.error("tier %s: no revision is understood; the proxies keep what they have", tier)
            if tier not in self._tiers:
                self._serve_kept("no revision is understood", tier)
        self._again[tier, served.generation] = now + AGAIN

    def render(self, tier: str, served: Served, now: datetime) -> None:
        """Make the tier's snapshots and hand them to who listens.

        Where that fails, what was served before stays, and goes on losing the overlays that run out.
        """
        try:
            material = self._material(served.base, now)
            made = self._renderer.snapshots(
                base=served.base, live=served.at(now), generation=served.generation, material=material
            )
        except Exception:  # what later rules refuse may break the translation anyhow
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
        self._tiers[tier] = _TierState(served, min(expiries, default=None), material)
        log.info("tier %s: generation %s", tier, served.generation)
        self._forget(key for key in list(self.newest) if key[0] == tier and key[1] not in made)
        for proxy, snapshot in made.items():
            newest = self.newest[tier, proxy] = self._marked(tier, snapshot, served)
            self._know(newest, (tier, proxy))
            for listener in list(self._listeners.get((tier, proxy), ())):
                listener(newest)

    def _marked(self, tier: str, snapshot: Snapshot, served: Served) -> Snapshot:
        """One of an earlier base shows no generation: who acknowledges it does not run the newest."""
        shows = 0 if served.behind else snapshot.generation
        return replace(snapshot, stale=self._is_stale(tier), generation=shows)
