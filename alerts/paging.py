"""Who is called for an incident: receivers that are told at once, and those for when nobody acknowledges.

Each time that an incident calls for people is a page of its own, by its number: each receiver is told once a
page. The key of the outbox row says that, so that no crash and no doubled tick tells anybody twice.
"""

from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import transaction

from alerts import announcements, incidents, outbox, outgoing, receivers
from alerts.domain import escalation, events, message
from alerts.domain.events import Did, Subject
from alerts.domain.receivers import Declared, SlackChannel, Webhook
from alerts.models import Incident

ACTOR = "alerts"


def begin(incident: Incident, now: datetime) -> None:
    """Call for people from now on: the incident, which is locked, is open and nothing holds it back."""
    told = receivers.declared()
    incident.pages += 1
    pages = incident.severity == "page"
    incident.paged_at = now if pages else None
    incident.escalates_at = escalation.next_at(told, now) if pages else None
    incident.save(update_fields=["pages", "paged_at", "escalates_at"])
    for each in told.notify:
        if incident.severity in each.of:
            _tell(incident, each.to, "trigger", told, now, heading=incident.title)


def follow(incident: Incident, did: Did, now: datetime) -> None:
    """Let those who were told of this page know that somebody has it, or that it is over."""
    told = receivers.declared()
    keys = {_key(incident, name): name for name in told.receivers}
    for key in incident.messages.filter(key__in=keys).order_by("id").values_list("key", flat=True):
        outbox.answered(prefix=key, said=_answered(incident, did, now), now=now)
        _tell(incident, keys[key], did, told, now)


def _answered(incident: Incident, did: Did, now: datetime) -> str:
    """What a call says instead of its buttons."""
    said = f"acknowledged by {message.escape(incident.acked_by)}" if did == "acknowledge" else "resolved"
    return f"Incident {incident.pk}: {said} at {now:%H:%M:%S} UTC"


def escalate(*, now: datetime) -> int:
    """Tell the next ones of each page that nobody has acknowledged in time. Returns how many were told."""
    due = Incident.objects.to_escalate(now).order_by("id").values_list("pk", flat=True)
    return sum(_escalate(pk, now) for pk in due)


@transaction.atomic
def _escalate(pk: int, now: datetime) -> int:
    """Looked at again under the lock: whoever acknowledges or resolves first stops it."""
    incident = incidents.locked(pk)
    still = Incident.objects.to_escalate(now).filter(pk=pk).exists()
    if not still or incidents.silenced(incident, now):
        return 0
    told, count = receivers.declared(), 0
    paged_at = incident.paged_at or incident.opened_at
    for step in escalation.due(told, paged_at, now=now):
        words = escalation.words(step)
        heading = f"{words.capitalize()}: {incident.title}"
        if _tell(incident, step.to, "trigger", told, now, heading=heading):
            count += 1
            text = f"told {step.to}: {words}"
            incidents.log(incident, now=now, kind="escalation", actor=ACTOR, text=text)
    incident.escalates_at = escalation.next_at(told, paged_at, after=now)
    incident.save(update_fields=["escalates_at"])
    return count


def _key(incident: Incident, name: str) -> str:
    return f"incident/{incident.pk}/page/{incident.pages}/{name}"


def _tell(
    incident: Incident, name: str, did: Did, told: Declared, now: datetime, *, heading: str = ""
) -> bool:
    """Write the row for one receiver. False where it has one already."""
    receiver = told.receivers[name]
    key = _key(incident, name) if did == "trigger" else f"{_key(incident, name)}/{did}"
    if isinstance(receiver, SlackChannel):
        facts = announcements.told(incident)
        buttons = announcements.buttons(incident, now) if did == "trigger" else ()
        payload = message.payload(replace(facts, heading=heading or facts.heading, buttons=buttons))
        return outbox.add(
            key=key, kind="ESCALATION", incident=incident, payload=payload, now=now, to=receiver.slack
        )
    subject = _subject(incident)
    if isinstance(receiver, Webhook):
        body = events.webhook(subject, did, key=key, at=now)
    else:
        body = events.pagerduty(subject, did, at=now)
    return outgoing.add(key=key, incident=incident, receiver=name, did=did, body=body, now=now)


def _subject(incident: Incident) -> Subject:
    runbook = incident.runbook
    return Subject(
        id=incident.pk,
        page=incident.pages,
        title=incident.title,
        tier=incident.tier,
        route=incident.route,
        upstream=incident.of_upstream or incident.upstream,
        target=incident.target,
        cause=incident.cause,
        severity=incident.severity,
        state=incident.state.lower(),
        originator=message.originator_words(incident.originator, incident.upstream),
        action=incident.action,
        url=message.incident_link(settings.BASE_URL, incident.pk),
        runbook=message.runbook_link(settings.BASE_URL, runbook, incident.pk) if runbook else "",
        opened_at=incident.opened_at,
        by=incident.acked_by,
        numbers=incident.numbers,
    )
