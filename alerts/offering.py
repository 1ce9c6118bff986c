"""Buttons as they are offered: each has a nonce, bound to one action on one thing and used up by it."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from alerts.actions import NotDone
from alerts.domain import buttons
from alerts.domain.buttons import Button
from alerts.models import Offer

NONCE_BYTES = 32


def offered(wanted: Sequence[Button], *, now: datetime) -> list[dict[str, Any]]:
    """The elements of an `actions` block, in the caller's transaction; without those that were pressed.

    The same button is the same offer in every message that shows it, and its nonce the same.
    """
    found = _found(wanted)
    # Looked for before it is written: an insert would wait for whoever is pressing one of them, who may wait
    # for what the caller has locked.
    missing = [_offer(one, now) for one in wanted if _key(one) not in found]
    if missing:
        Offer.objects.bulk_create(missing, ignore_conflicts=True)
        found = _found(wanted)
    pairs = [(one, found[_key(one)]) for one in wanted]
    return [buttons.element(one, offer.nonce) for one, offer in pairs if offer.pressed_at is None]


def take(*, nonce: str, action: str, by: str, now: datetime) -> Offer:
    """Use an offer up, in the transaction of what it does. Raises NotDone for one that is not to be had.

    Its row is locked before all that the action locks, and by nobody who has locked any of that.
    """
    alive = Q(expires_at=None) | Q(expires_at__gt=now)
    mine = Offer.objects.filter(nonce=nonce, action=action)
    if not mine.filter(alive, pressed_at=None).update(pressed_at=now, pressed_by=by):
        raise NotDone(_why_not(mine.first()))
    return mine.get()


def give_back(offer: Offer) -> None:
    """Leave an offer for others, in the transaction that took it."""
    Offer.objects.filter(pk=offer.pk).update(pressed_at=None, pressed_by="")


def _why_not(offer: Offer | None) -> str:
    if offer is None:
        return "this button is none that Sluice knows: use the page that the message links to"
    if offer.pressed_at is not None:
        return f"{offer.pressed_by} pressed this at {offer.pressed_at:%H:%M:%S} UTC"
    return "the time for this is over: use the page that the message links to"


Key = tuple[str, int, str]


def _key(button: Button) -> Key:
    return button.action, button.subject, button.bound


def _found(wanted: Sequence[Button]) -> dict[Key, Offer]:
    alike = Q()
    for one in wanted:
        alike |= Q(action=one.action, subject=one.subject, bound=one.bound)
    rows = Offer.objects.filter(alike) if wanted else ()
    return {(row.action, row.subject, row.bound): row for row in rows}


def _offer(button: Button, now: datetime) -> Offer:
    return Offer(
        nonce=secrets.token_urlsafe(NONCE_BYTES),
        action=button.action,
        subject=button.subject,
        bound=button.bound,
        made_at=now,
        expires_at=button.expires_at,
    )
