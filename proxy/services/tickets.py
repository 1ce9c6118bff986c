"""Turning the session ticket keys of a tier: a step at a time, each from the files as they are.

The keys stand on disk only; a row says who turned them and when. The file is written before the generation
that serves it is committed, so that a proxy which acknowledged the generation has the key. Where the commit
fails the next look finds a generation that is yet to come, and pushes again.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from django.db import transaction

from audit import services as audit
from audit.domain.actor import Actor, automation
from proxy import selectors, tickets
from proxy.domain.errors import RotationRefused
from proxy.domain.tickets import PATIENCE, Ring, crowded, dropped, encrypted, joined, next_step, thinned
from proxy.domain.tier import SessionTickets
from proxy.models import Tier as TierRecord
from proxy.selectors import ProxyRow
from proxy.services.declaring import bump, locked

SPOKEN = {
    "join": "its age",
    "encrypt": "every proxy has the new key",
    "drop": "the tickets that it made have run out",
}


def rotate_tickets(
    *, tier: str, directory: Path, by: Actor, reason: str, now: datetime, force: bool = False
) -> int:
    """Give the tier's proxies a new key; returns the generation that does. `turn_tickets` goes on from there.

    No rotation ends a ticket: the keys before it decrypt on. Raises RotationRefused while another is under
    way, and where there are so many old keys that one would have to go before its time; `force` lets the
    oldest go. Raises UnknownTier, and OSError where there are no keys yet: made here, on a machine without
    the ADS server, nobody had them.
    """
    with transaction.atomic():
        record = locked(tier)
        ring = tickets.read(directory, tier)
        _refuse_too_early(tier, ring, force)
        ring = _join(record, directory, thinned(ring) if crowded(ring) else ring, now)
        _audit(tier, "join", ring, reason, by, now)
        return ring.generation


def _refuse_too_early(tier: str, ring: Ring, force: bool) -> None:
    if ring.joining is not None:
        missing = ", ".join(row.name for row in _without(tier, ring)) or "the next look of an ADS server"
        raise RotationRefused(
            f"a rotation is under way already: key {ring.joining.number} waits for {missing},"
            f" at most {PATIENCE // timedelta(hours=1)} h for one that is away; then rotate again"
        )
    if crowded(ring) and not force:
        raise RotationRefused(
            f"{len(ring.retired)} old keys still decrypt, and the oldest would go before its tickets have run"
            " out: their clients would make a full handshake. Wait, or force it"
        )


def turn_tickets(*, tier: str, settings: SessionTickets, directory: Path, now: datetime) -> int | None:
    """Take the step that is due; returns the generation that serves it, None where none is.

    Costs one small file while nothing is due. Raises OSError where there is none.
    """
    ring = tickets.read(directory, tier)
    if next_step(ring, settings, everybody_has_it=True, now=now) is None:
        return None
    with transaction.atomic():
        return _turn(locked(tier), settings, directory, now)


def _turn(record: TierRecord, settings: SessionTickets, directory: Path, now: datetime) -> int | None:
    """The row's lock keeps others from the file too. Not the directory's: the ADS server needs that to serve,
    and must not wait for a database that hangs.
    """
    ring = tickets.read(directory, record.name)
    if ring.joining is not None and ring.generation > record.generation:
        tickets.write(directory, record.name, replace(ring, generation=bump(record)))
        return record.generation
    ready = _everybody_has_it(record.name, ring, now)
    step = next_step(ring, settings, everybody_has_it=ready, now=now)
    if step is None:
        return None
    if step == "join":
        ring = _join(record, directory, ring, now)
    else:
        after = encrypted(ring, now=now) if step == "encrypt" else dropped(ring, settings, now=now)
        bump(record)
        tickets.write(directory, record.name, after)
    _audit(record.name, step, ring, SPOKEN[step], automation("tickets"), now)
    return record.generation


def _join(record: TierRecord, directory: Path, ring: Ring, now: datetime) -> Ring:
    ring = joined(ring, tickets.fresh(), generation=bump(record), now=now)
    tickets.write(directory, record.name, ring)
    return ring


def _everybody_has_it(tier: str, ring: Ring, now: datetime) -> bool:
    """A proxy that is away or refuses something else is waited for, but not for ever: until it is back the
    tickets of the new key cost its clients a full handshake.
    """
    if ring.joining is None:
        return False
    late = now - ring.joining.made_at >= PATIENCE
    return all(late and (not row.connected or row.refuses) for row in _without(tier, ring))


def _without(tier: str, ring: Ring) -> list[ProxyRow]:
    """The proxies that have not acknowledged the joining key."""
    return [row for row in selectors.tier(tier).proxies if row.acked_generation < ring.generation]


def _audit(tier: str, step: str, ring: Ring, reason: str, by: Actor, now: datetime) -> None:
    """By the key's number, which tells nothing of the key."""
    joining = ring.joining.number if ring.joining else None
    audit.record(
        by=by,
        action=f"tickets.{step}",
        target=tier,
        reason=reason,
        now=now,
        detail={"encrypting": ring.encrypting.number, "joining": joining, "keys": len(ring.served)},
    )
