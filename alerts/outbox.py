"""The outbox: rows that are sent at most once a key, and whose outcome is always visible.

Commit the intent (SENDING), post, commit the outcome. A worker that dies between leaves a SENDING row, which
becomes UNKNOWN: it may have been posted. It is sent again only when the chat shows that it is not
there, or when a person says so.

Why a worker that stalled posts nothing that another one has sent meanwhile. It reads its claim again just
before it posts, so a stall before that ends there. A post that began under a live claim is over when the chat
is asked for proof: a claim is dead after 45 s, the proof comes 30 s later, and a task lives for 30 s at most.
What is left is a machine that freezes for more than a minute between that read and the socket: Slack has no
idempotency key to close this with.
"""

import logging
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

import audit.services
from alerts.domain import delivery
from alerts.domain.chat import CannotTell, ChatError, MaybeSent, NotSent, Posted, Refused
from alerts.domain.states import outbox_after
from alerts.models import Incident, Outbox
from alerts.ports import Chat
from audit.domain.actor import Actor

BATCH = 10
CLOCKS_DIFFER_BY = timedelta(minutes=1)

log = logging.getLogger(__name__)


class UnknownMessage(Exception):
    """There is no message with this number."""


def add(*, key: str, kind: str, incident: Incident | None, payload: dict[str, Any], now: datetime) -> bool:
    """Write a new message's row in the caller's transaction. False when `key` has one already."""
    _, created = Outbox.objects.get_or_create(
        key=key,
        defaults={"kind": kind, "incident": incident, "payload": payload, "next_at": now, "created_at": now},
    )
    return created


def show(*, incident: Incident, payload: dict[str, Any], now: datetime) -> None:
    """Have the incident's root message show `payload`; what was still to be shown before is superseded."""
    Outbox.objects.filter(incident=incident, op="update", state="PENDING").delete()
    key = f"incident/{incident.pk}/update/{secrets.token_hex(8)}"
    Outbox.objects.create(
        key=key, kind="INFO", op="update", incident=incident, payload=payload, next_at=now, created_at=now
    )


def deliver(*, chat: Chat, now: datetime) -> int:
    """Send what is due, each post at most once a key. Returns how many were confirmed.

    Stops at the first message that the chat does not confirm: the next tick goes on.
    """
    _look_after_dead_claims(now)
    _seek_proof(chat, now)
    confirmed = 0
    for row in Outbox.objects.due(now).select_related("incident")[:BATCH]:
        root = _root(row)
        if root is not None and root.state in ("PENDING", "SENDING"):
            continue
        if not _claim(row, now):
            continue
        if not _attempt(chat, row, root, now):
            break
        confirmed += 1
    return confirmed


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


def _root(row: Outbox) -> Outbox | None:
    """The first message of the row's incident, when that is another one."""
    if row.incident_id is None:
        return None
    first = Outbox.objects.filter(incident=row.incident_id, op="post").order_by("id").first()
    return first if first is not None and first.pk != row.pk else None


def _claim(row: Outbox, now: datetime) -> bool:
    """Commit the intent to send. False when another worker was first."""
    row.claim_token = secrets.token_hex(16)
    row.attempts += 1
    with transaction.atomic(durable=True):
        return bool(
            Outbox.objects.filter(pk=row.pk, state="PENDING").update(
                state=outbox_after("PENDING", "claim"),
                claim_token=row.claim_token,
                claimed_at=now,
                attempts=row.attempts,
            )
        )


def _attempt(chat: Chat, row: Outbox, root: Outbox | None, now: datetime) -> bool:
    """Send a claimed row once and commit what came of it. True when the chat confirmed."""
    if not _still_ours(row):
        return False
    try:
        posted = _send(chat, row, root)
    except NotSent as error:
        wait = delivery.retry_after(row.attempts, error.retry_after)
        _settle(row, "not_sent", error=str(error), next_at=now + wait)
    except Refused as error:
        _settle(row, "refused", error=str(error))
    except MaybeSent as error:
        # An update sets what is shown, so it is repeated; a post is not.
        if row.op == "update":
            _settle(row, "not_sent", error=str(error), next_at=now + delivery.retry_after(row.attempts, None))
        else:
            _settle(row, "lost", error=str(error), next_at=now + delivery.PROOF_EVERY)
    else:
        _settle(row, "sent", error="", sent_at=now, channel=posted.channel, ts=posted.ts)
        return True
    return False


def _still_ours(row: Outbox) -> bool:
    """Whether the claim was not taken for dead since it was made."""
    return Outbox.objects.filter(pk=row.pk, state="SENDING", claim_token=row.claim_token).exists()


def _send(chat: Chat, row: Outbox, root: Outbox | None) -> Posted:
    text, blocks = row.payload["text"], row.payload["blocks"]
    if row.op == "post":
        thread, broadcast = root.ts if root else "", bool(row.payload.get("broadcast"))
        return chat.post(key=row.key, text=text, blocks=blocks, thread_ts=thread, broadcast=broadcast)
    if root is None or not root.ts or not chat.edits:
        # There is nothing to edit: the first message was never confirmed, or this chat cannot edit.
        return Posted("", "")
    at = Posted(root.channel, root.ts)
    chat.update(at=at, text=text, blocks=blocks)
    return at


def _settle(row: Outbox, event: str, **fields: Any) -> bool:
    """Commit the outcome of our own claim; a claim that was taken for dead meanwhile is left alone."""
    if fields.get("error"):
        log.warning("message %s: %s", row.key, fields["error"])
    with transaction.atomic(durable=True):
        return bool(
            Outbox.objects.filter(pk=row.pk, state="SENDING", claim_token=row.claim_token).update(
                state=outbox_after("SENDING", event), **fields
            )
        )


def _look_after_dead_claims(now: datetime) -> None:
    """A claim older than any task may live belongs to a killed worker."""
    dead = Outbox.objects.filter(state="SENDING", claimed_at__lte=now - delivery.CLAIM_DEAD_AFTER)
    reason = "the worker died while sending"
    dead.filter(op="update").update(state=outbox_after("SENDING", "not_sent"), next_at=now, error=reason)
    proof_at = now + delivery.TASK_LIVES
    dead.filter(op="post").update(state=outbox_after("SENDING", "lost"), next_at=proof_at, error=reason)


def _seek_proof(chat: Chat, now: datetime) -> None:
    """Ask the chat whether a message of unknown outcome is there, for a while after it was claimed."""
    unknown = Outbox.objects.filter(
        state="UNKNOWN", next_at__lte=now, claimed_at__gt=now - delivery.PROOF_FOR
    ).order_by("id")
    for row in unknown[:2]:
        event, fields = _proof(chat, row, now)
        Outbox.objects.filter(pk=row.pk, state="UNKNOWN").update(
            state=outbox_after("UNKNOWN", event) if event else "UNKNOWN", **fields
        )


def _proof(chat: Chat, row: Outbox, now: datetime) -> tuple[str, dict[str, Any]]:
    since = (row.claimed_at or now) - CLOCKS_DIFFER_BY
    root = _root(row)
    known = Outbox.objects.exclude(channel="").order_by("-id").values_list("channel", flat=True).first()
    try:
        found = chat.find(key=row.key, since=since, channel=known or "", thread_ts=root.ts if root else "")
    except CannotTell:
        return "", {"next_at": now + delivery.PROOF_FOR}
    except ChatError:
        return "", {"next_at": now + delivery.PROOF_EVERY}
    if found is None:
        return "proved_absent", {"next_at": now}
    return "proved_sent", {"sent_at": now, "channel": found.channel, "ts": found.ts, "error": ""}
