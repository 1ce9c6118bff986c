"""The outbox: a message is a row, written in the transaction of the change that it tells of.

`sending.py` sends the rows, at most once a key.
"""

import secrets
from datetime import datetime
from typing import Any

from django.db import transaction

import audit.services
from alerts.domain import buttons
from alerts.domain.states import outbox_after
from alerts.models import Incident, Outbox
from audit.domain.actor import Actor

# What words to whoever pressed a button count as: Slack limits them apart from every channel.
WHISPERS = "@whispers"


class UnknownMessage(Exception):
    """There is no message with this number."""


def add(
    *,
    key: str,
    kind: str,
    incident: Incident | None,
    payload: dict[str, Any],
    now: datetime,
    to: str = "",
) -> bool:
    """Write a new message's row in the caller's transaction. False when `key` has one already.

    `to` is the channel, where that is not the one of the settings; an incident has a thread in each.
    """
    row: dict[str, Any] = {"kind": kind, "incident": incident, "payload": payload, "to": to}
    row |= {"offers": buttons.has(payload["blocks"]), "next_at": now, "created_at": now}
    _, created = Outbox.objects.get_or_create(key=key, defaults=row)
    return created


def show(*, incident: Incident, payload: dict[str, Any], now: datetime) -> None:
    """Have the incident's root message show `payload`; what was still to be shown before is superseded."""
    Outbox.objects.filter(incident=incident, op="update", state="PENDING").delete()
    key = f"incident/{incident.pk}/update/{secrets.token_hex(8)}"
    Outbox.objects.create(
        key=key, kind="INFO", op="update", incident=incident, payload=payload, next_at=now, created_at=now
    )


def answered(*, prefix: str, said: str, now: datetime, still: bool = False) -> int:
    """Take the buttons off the messages whose key begins with `prefix`, and have them say `said` (mrkdwn).

    `still`: there is more to answer, and the buttons stay. Returns how many messages that were. In the
    caller's transaction.
    """
    asking = Outbox.objects.select_for_update().filter(key__startswith=prefix, op="post", offers=True)
    found = list(asking)
    for row in found:
        change = buttons.noted if still else buttons.without
        row.payload = {**row.payload, "blocks": change(row.payload["blocks"], said)}
        row.offers = still
        row.save(update_fields=["offers", "payload"])
        if row.state != "PENDING":
            # What nobody has seen yet comes as it is now.
            _change(row, now)
    return len(found)


def _change(row: Outbox, now: datetime) -> None:
    Outbox.objects.create(
        key=f"{row.key}/update/{secrets.token_hex(8)}",
        kind="INFO",
        op="update",
        of=row.key,
        to=row.to,
        payload=row.payload,
        next_at=now,
        created_at=now,
    )


def whisper(*, key: str, text: str, answer_to: str, now: datetime) -> None:
    """Say `text` to whoever pressed a button, at Slack's address for that. In the caller's transaction."""
    payload = {"text": text, "blocks": [], "answer_to": answer_to}
    Outbox.objects.create(
        key=key, kind="INFO", op="whisper", to=WHISPERS, payload=payload, next_at=now, created_at=now
    )


@transaction.atomic
def resend(*, outbox_id: int, by: Actor, reason: str, now: datetime) -> None:
    """A person sends an UNKNOWN or FAILED message again. Raises UnknownMessage, WrongState."""
    row = Outbox.objects.select_for_update().filter(pk=outbox_id).first()
    if row is None:
        raise UnknownMessage(f"there is no message {outbox_id}")
    row.state = outbox_after(row.state, "resend")
    row.next_at, row.error = now, ""
    row.save(update_fields=["state", "next_at", "error"])
    audit.services.record(by=by, action="message.resent", target=row.key, reason=reason, now=now)
