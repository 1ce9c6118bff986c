"""Events for services of others: rows of the outbox, sent at least once.

A receiver knows an event by its key (`Idempotency-Key`, or PagerDuty's `dedup_key`), so that an event whose
answer was lost is sent again: unlike a post to a chat, a second one does nothing. A receiver gets the events
of one incident in their order. What is not taken is tried again for six hours, then it has failed, visibly.
"""

import json
import logging
import secrets
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.db import transaction

from alerts import receivers
from alerts.domain import delivery
from alerts.domain.events import Did
from alerts.domain.receivers import PagerDuty, Receiver, Webhook
from alerts.domain.states import outbox_after
from alerts.models import Incident, Outbox
from outbound.errors import NotSent, Unanswered
from outbound.posting import Outbound, Reply

# Each may take three seconds, and a task ends after twenty.
BATCH = 5
GIVE_UP_AFTER = timedelta(hours=6)
AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)

log = logging.getLogger(__name__)


class Refused(Exception):
    """The receiver will not take this event, however often it is sent."""


def add(
    *, key: str, incident: Incident, receiver: str, did: Did, body: dict[str, Any], now: datetime
) -> bool:
    """Write a new event's row in the caller's transaction. False when `key` has one already."""
    payload = {"text": f"{did}: {incident.title}", "blocks": [], "event": f"incident.{did}", "body": body}
    row = {"kind": "EVENT", "op": "event", "incident": incident, "receiver": receiver, "payload": payload}
    _, created = Outbox.objects.get_or_create(key=key, defaults={**row, "next_at": now, "created_at": now})
    return created


def deliver(*, post: Outbound, now: datetime) -> int:
    """Send what is due. Returns how many were taken. A receiver that does not answer holds up no other."""
    dead = Outbox.objects.filter(op="event", state="SENDING", claimed_at__lte=now - delivery.CLAIM_DEAD_AFTER)
    dead.update(state=outbox_after("SENDING", "not_sent"), next_at=now, error="the worker died while sending")
    taken, away = 0, set[str]()
    for row in Outbox.objects.events_due(now)[:BATCH]:
        if row.receiver in away or not _claim(row, now):
            continue
        if _attempt(post, row, now):
            taken += 1
        else:
            away.add(row.receiver)
    return taken


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


def _attempt(post: Outbound, row: Outbox, now: datetime) -> bool:
    """Send a claimed event once and commit what came of it."""
    try:
        _check(_send(post, row, now))
    except Refused as error:
        _settle(row, "refused", error=str(error))
    except (NotSent, Unanswered) as error:
        if now - row.created_at >= GIVE_UP_AFTER:
            _settle(row, "give_up", error=f"given up after {row.attempts} attempts: {error}")
        else:
            again = now + delivery.retry_after(row.attempts, None)
            _settle(row, "not_sent", error=str(error), next_at=again)
    else:
        _settle(row, "sent", error="", sent_at=now)
        return True
    return False


def _settle(row: Outbox, event: str, **fields: Any) -> None:
    """Commit the outcome of our own claim; one that was taken for dead meanwhile is left alone."""
    if fields.get("error"):
        log.warning("event %s: %s", row.key, fields["error"])
    with transaction.atomic(durable=True):
        Outbox.objects.filter(pk=row.pk, state="SENDING", claim_token=row.claim_token).update(
            state=outbox_after("SENDING", event), **fields
        )


def _send(post: Outbound, row: Outbox, now: datetime) -> Reply:
    """Raises NotSent, Unanswered, Refused.

    Whoever declares receivers runs the installation: their hosts are listed by standing in its file.
    """
    receiver = receivers.declared().receivers.get(row.receiver)
    match receiver:
        case Webhook():
            return post.allowing(receiver.webhook).post(
                receiver.webhook,
                receiver.secret,
                row.payload["body"],
                event=row.payload["event"],
                delivery=row.key,
                timestamp=int(now.timestamp()),
                more={"Idempotency-Key": row.key},
            )
        case PagerDuty():
            key = post.secrets.read(receiver.pagerduty).decode()
            body = json.dumps({"routing_key": key, **row.payload["body"]}).encode()
            headers = {"Content-Type": "application/json", "Idempotency-Key": row.key}
            return post.allowing(receiver.url).send(receiver.url, body, headers)
    raise NotSent(_nobody(row, receiver))


def _nobody(row: Outbox, receiver: Receiver | None) -> str:
    told = receivers.declared()
    if told.problem:
        return told.problem
    return (
        f"no receiver {row.receiver} is declared" if receiver is None else f"{row.receiver} takes no events"
    )


def _check(reply: Reply) -> None:
    """Raises Unanswered for what may be taken later, and Refused for what never will."""
    if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status in AGAIN:
        raise Unanswered(f"HTTP {reply.status}")
    said = " ".join(reply.body[:200].decode(errors="replace").split())
    raise Refused(f"HTTP {reply.status} {said}".strip())
