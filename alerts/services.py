"""The only writer of alerts, incidents, silences and the outbox: each verb, from the module that does it.

A message is a row that is written in the transaction of the change that it tells of; `deliver` and `dispatch`
send the rows. So a change that is rolled back tells nobody, and one that is committed is told or visibly not.

Everybody locks an incident before its alerts, and both after the run, the rollout and the tier that they are
about: `runbooks.services.moving.lock` has the whole order.
"""

from datetime import datetime, timedelta

from alerts import (
    explaining,
    incidents,
    outbox,
    outgoing,
    paging,
    sending,
    signalling,
    silencing,
    standing,
    telling,
)
from alerts.domain import signal as signals
from alerts.models import Heartbeat
from alerts.ports import Chat
from outbound.posting import Outbound

Severity = signals.Severity
Originator = signals.Originator
Kind = telling.Kind

REOPEN_WITHIN = signalling.REOPEN_WITHIN
DEFAULT_BEAT = timedelta(seconds=5)
# A round in which every receiver hangs takes fifteen seconds.
DISPATCH_BEAT = timedelta(seconds=20)

UnknownIncident = incidents.UnknownIncident
UnknownSilence = silencing.UnknownSilence
signal = signalling.signal
observe = signalling.observe
clear = signalling.clear
acknowledge = standing.acknowledge
mitigate = standing.mitigate
worsen = standing.worsen
stands = standing.stands
acted = standing.acted
note = standing.note
resolve = standing.resolve
tell = telling.tell
resend = outbox.resend
answered = outbox.answered
silence = silencing.silence
unsilence = silencing.unsilence
expire_silences = silencing.expire_silences


def deliver(*, chat: Chat, now: datetime) -> int:
    """End the silences that are over and send what is due. Returns how many messages the chat confirmed."""
    expire_silences(now=now)
    confirmed = sending.deliver(chat=chat, now=now)
    beat(name="messages", now=now)
    return confirmed


def watch(*, now: datetime) -> int:
    """Join incidents to what explains them, and call the next ones where nobody acknowledged in time.

    Returns how many were called.
    """
    explaining.relate(now=now)
    called = paging.escalate(now=now)
    beat(name="escalation", now=now)
    return called


def dispatch(*, post: Outbound, now: datetime) -> int:
    """Send the events that are due to the services of others. Returns how many were taken."""
    taken = outgoing.deliver(post=post, now=now)
    beat(name="events", now=now, every=DISPATCH_BEAT)
    return taken


def beat(*, name: str, now: datetime, every: timedelta = DEFAULT_BEAT) -> None:
    """Say that a part of the automation did its round; it is late after three times `every`."""
    Heartbeat.objects.update_or_create(name=name, defaults={"at": now, "every": every})


def rest(*, name: str) -> None:
    """Say that a part of the automation was ended in order, and is no longer waited for."""
    Heartbeat.objects.filter(name=name).delete()
