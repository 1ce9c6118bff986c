"""The keys of a tier's session tickets, and how one takes over from another without a client noticing.

joins     every proxy gets the new key, to decrypt with; the old one still encrypts
encrypts  every proxy has it, so a ticket that one of them makes is read by all
retires   the key before it only decrypts, until the last ticket that it made is too old
"""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from proxy.domain.tier import SessionTickets

PATIENCE = timedelta(hours=1)
"""So long a rotation waits for a proxy that is not connected; its clients then make full handshakes there."""
KEY_BYTES = 80
MOST_RETIRED = 20
"""Twice what `SessionTickets` lets stand by age: a proxy tries each key for a ticket that it cannot read."""

Step = Literal["join", "encrypt", "drop"]


@dataclass(frozen=True, slots=True)
class TicketKey:
    """`retired_at` is when it stopped to encrypt."""

    secret: bytes = field(repr=False)
    made_at: datetime
    retired_at: datetime | None = None

    @property
    def number(self) -> str:
        """What it is called: the begin of a digest, which tells nothing of the key."""
        return hashlib.sha256(self.secret).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Ring:
    """`encrypting` makes tickets and `joining` is to follow it, which the proxies got with the tier's
    `generation`.
    """

    encrypting: TicketKey
    joining: TicketKey | None = None
    generation: int = 0
    retired: tuple[TicketKey, ...] = ()

    @property
    def served(self) -> tuple[bytes, ...]:
        """As Envoy takes them: the first encrypts, all decrypt."""
        joining = (self.joining,) if self.joining else ()
        return tuple(key.secret for key in (self.encrypting, *joining, *self.retired))


def next_step(ring: Ring, settings: SessionTickets, *, everybody_has_it: bool, now: datetime) -> Step | None:
    """What is due now. `everybody_has_it` is about the joining key."""
    if ring.joining is not None:
        return "encrypt" if everybody_has_it else None
    if any(_is_over(key, settings, now) for key in ring.retired):
        return "drop"
    since = max((key.retired_at for key in ring.retired if key.retired_at), default=ring.encrypting.made_at)
    return "join" if now - since >= settings.rotate_every else None


def crowded(ring: Ring) -> bool:
    """Whether one more rotation would take a key away whose tickets still live."""
    return len(ring.retired) >= MOST_RETIRED


def joined(ring: Ring, secret: bytes, *, generation: int, now: datetime) -> Ring:
    """A new key comes, in the tier's generation of that number."""
    return replace(ring, joining=TicketKey(secret, now), generation=generation)


def encrypted(ring: Ring, *, now: datetime) -> Ring:
    """The joining key takes over."""
    if ring.joining is None:
        return ring
    old = replace(ring.encrypting, retired_at=now)
    return Ring(ring.joining, None, ring.generation, (old, *ring.retired))


def thinned(ring: Ring) -> Ring:
    """Without the retired keys above the number; the oldest go, and their tickets are read by nobody more."""
    return replace(ring, retired=ring.retired[: MOST_RETIRED - 1])


def dropped(ring: Ring, settings: SessionTickets, *, now: datetime) -> Ring:
    """Without the keys whose tickets have all run out."""
    return replace(ring, retired=tuple(key for key in ring.retired if not _is_over(key, settings, now)))


def _is_over(key: TicketKey, settings: SessionTickets, now: datetime) -> bool:
    return key.retired_at is not None and now - key.retired_at >= settings.life
