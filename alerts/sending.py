"""Sends the outbox: each post at most once a key, and every outcome visible.

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
from typing import Any, Literal

from django.db import transaction

from alerts.domain import buttons, delivery
from alerts.domain.chat import (
    Blocks,
    CannotTell,
    ChatError,
    MaybeSent,
    NotSent,
    Posted,
    Refused,
    Throttled,
)
from alerts.domain.states import outbox_after
from alerts.models import ChannelHold, Outbox
from alerts.ports import Chat

BATCH = 10
NO_BUTTONS = "No buttons here: the links above lead to the pages that do the same."
CLOCKS_DIFFER_BY = timedelta(minutes=1)
Came = Literal["confirmed", "throttled", "failed"]

log = logging.getLogger(__name__)


def deliver(*, chat: Chat, now: datetime) -> int:
    """Send what is due, each post at most once a key. Returns how many were confirmed.

    Stops at the first message that the chat does not confirm: the next tick goes on. A channel that is told
    to wait waits as a whole, and holds up no other.
    """
    _look_after_dead_claims(now)
    _forget_whispers(now)
    _seek_proof(chat, now)
    confirmed, held = 0, set[str]()
    for row in Outbox.objects.due(now).select_related("incident")[:BATCH]:
        root = _root(row)
        if row.to in held or _waits(row, root, now) or not _claim(row, now):
            continue
        match _attempt(chat, row, root, now):
            case "confirmed":
                confirmed += 1
            case "throttled":
                held.add(row.to)
            case "failed":
                break
    return confirmed


def _root(row: Outbox) -> Outbox | None:
    """The message that a row is about: what an update changes, or whose thread a post goes into."""
    if row.of:
        return Outbox.objects.filter(key=row.of).first()
    if row.incident_id is None:
        return None
    posts = Outbox.objects.filter(incident=row.incident_id, op="post", to=row.to)
    first = posts.order_by("id").first()
    return first if first is not None and first.pk != row.pk else None


def _waits(row: Outbox, root: Outbox | None, now: datetime) -> bool:
    """Whether something has to go before it. What a newer update makes void is dropped here."""
    if root is not None and _under_way(root, now):
        return True
    if row.op != "update":
        return False
    alike = Outbox.objects.filter(op="update", of=row.of, to=row.to, incident=row.incident_id)
    if alike.filter(pk__gt=row.pk).exists():
        # One that failed, or whose worker died, must not show an older state after the newer one.
        Outbox.objects.filter(pk=row.pk, state="PENDING").delete()
        return True
    return alike.filter(state="SENDING").exists()


def _under_way(root: Outbox, now: datetime) -> bool:
    """Whether it is still to be seen where the message is: nothing can be changed or answered there yet."""
    if root.state == "UNKNOWN":
        return delivery.sought(next_at=root.next_at, claimed_at=root.claimed_at, now=now)
    return root.state in ("PENDING", "SENDING")


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


def _attempt(chat: Chat, row: Outbox, root: Outbox | None, now: datetime) -> Came:
    """Send a claimed row once and commit what came of it."""
    if not _still_ours(row):
        return "failed"
    try:
        posted = _send(chat, row, root)
    except Throttled as error:
        until = now + delivery.retry_after(row.attempts, error.retry_after)
        # The hold first: a worker that dies between leaves a claim, and no other message runs into the limit.
        _hold(row.to, until)
        _settle(row, "not_sent", error=str(error), next_at=until)
        return "throttled"
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
        return "confirmed"
    return "failed"


def _hold(channel: str, until: datetime) -> None:
    """Let nothing go to the channel before `until`."""
    ChannelHold.objects.update_or_create(channel=channel, defaults={"until": until})


def _still_ours(row: Outbox) -> bool:
    """Whether the claim was not taken for dead since it was made. Reads what is to be said: it may have been
    changed between the look at what is due and the claim, and is not any more.
    """
    mine = Outbox.objects.filter(pk=row.pk, state="SENDING", claim_token=row.claim_token)
    payload = mine.values_list("payload", flat=True).first()
    if payload is not None:
        row.payload = payload
    return payload is not None


def _send(chat: Chat, row: Outbox, root: Outbox | None) -> Posted:
    text, blocks = row.payload["text"], _shown(row.payload["blocks"], chat)
    if row.op == "whisper":
        chat.whisper(answer_to=row.payload["answer_to"], text=text)
        return Posted("", "")
    if row.op == "post":
        thread, broadcast = root.ts if root else "", bool(row.payload.get("broadcast"))
        return chat.post(
            key=row.key, text=text, blocks=blocks, thread_ts=thread, broadcast=broadcast, channel=row.to
        )
    if root is None or not root.ts or not chat.edits:
        # There is nothing to edit: the first message was never confirmed, or this chat cannot edit.
        return Posted("", "")
    at = Posted(root.channel, root.ts)
    chat.update(at=at, text=text, blocks=blocks)
    return at


def _shown(blocks: Blocks, chat: Chat) -> Blocks:
    """A button that nobody here would hear of is not shown: the message says where the same can be done."""
    return buttons.without(blocks, NO_BUTTONS) if buttons.has(blocks) and not chat.buttons else blocks


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
    posts = dead.filter(op__in=("post", "whisper"))
    posts.update(state=outbox_after("SENDING", "lost"), next_at=proof_at, error=reason)


def _forget_whispers(now: datetime) -> None:
    """Nobody waits for a word any more when Slack takes it no longer."""
    Outbox.objects.filter(op="whisper", created_at__lte=now - delivery.WHISPER_LIVES).delete()


def _seek_proof(chat: Chat, now: datetime) -> None:
    """Ask the chat whether a message of unknown outcome is there, for a while after it was claimed."""
    unknown = Outbox.objects.filter(
        op="post", state="UNKNOWN", next_at__lte=now, claimed_at__gt=now - delivery.PROOF_FOR
    ).order_by("id")
    for row in unknown[:2]:
        event, fields = _proof(chat, row, now)
        Outbox.objects.filter(pk=row.pk, state="UNKNOWN").update(
            state=outbox_after("UNKNOWN", event) if event else "UNKNOWN", **fields
        )


def _proof(chat: Chat, row: Outbox, now: datetime) -> tuple[str, dict[str, Any]]:
    since = (row.claimed_at or now) - CLOCKS_DIFFER_BY
    root = _root(row)
    known = (
        Outbox.objects.filter(to=row.to)
        .exclude(channel="")
        .order_by("-id")
        .values_list("channel", flat=True)
        .first()
    )
    try:
        found = chat.find(key=row.key, since=since, channel=known or "", thread_ts=root.ts if root else "")
    except CannotTell:
        return "", {"next_at": now + delivery.PROOF_FOR}
    except ChatError:
        return "", {"next_at": now + delivery.PROOF_EVERY}
    if found is None:
        return "proved_absent", {"next_at": now}
    return "proved_sent", {"sent_at": now, "channel": found.channel, "ts": found.ts, "error": ""}
