"""What an incident says: its first message, its thread, and what the first message shows later."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from alerts import outbox
from alerts.domain import message
from alerts.domain.message import Facts
from alerts.domain.states import OPEN_STATES
from alerts.models import Alert, Incident

RENEW_EVERY = timedelta(minutes=1)


def firing(incident: Incident, alert: Alert, now: datetime, *, broadcast: bool = False) -> None:
    """Tell of an alert: the incident's first message, or a line in its thread.

    With `broadcast` the line is shown in the channel, too: nobody looks into the thread of an old incident.
    """
    facts = _facts(
        incident,
        alert.summary,
        alert.originator,
        alert.upstream,
        alert.numbers,
        alert.action,
        alert.runbook,
        alert.links,
    )
    outbox.add(
        key=f"alert/{alert.pk}/firing",
        kind="FIRING",
        incident=incident,
        # A ticket in the thread of a page is still a ticket.
        payload=message.payload(replace(facts, severity=alert.severity), broadcast=broadcast),
        now=now,
    )


def back(incident: Incident, why: str, now: datetime) -> None:
    """Say, in the channel too, that what was mitigated is not."""
    facts = replace(told(incident), heading=f"It is back: {incident.title}", detail=[why])
    outbox.add(
        key=f"incident/{incident.pk}/back/{incident.version}",
        kind="FIRING",
        incident=incident,
        payload=message.payload(facts, broadcast=True),
        now=now,
    )


def resolved(incident: Incident, why: str, now: datetime, *, person: str = "") -> None:
    """Say in the thread that it is over, when it was ever told of. `person` is who said so, if one did."""
    if not incident.messages.filter(kind="FIRING").exists():
        return
    facts = replace(told(incident), heading=f"Resolved: {incident.title}", hint="")
    if person:
        facts = replace(facts, detail=[f"Resolved by {person}: {why}"])
    elif why != incident.action:
        facts = replace(facts, detail=[why])
    outbox.add(
        key=f"incident/{incident.pk}/resolved/{incident.version}",
        kind="RESOLVED",
        incident=incident,
        payload=message.payload(facts),
        now=now,
    )


def show(incident: Incident, now: datetime) -> None:
    """Bring the incident's root message up to date, when there is one."""
    if not incident.messages.filter(op="post").exists():
        return
    outbox.show(incident=incident, payload=message.payload(told(incident)), now=now)


def renew(incident: Incident, now: datetime) -> None:
    """Let the root message follow the figures: at most once a minute, and only when they differ."""
    rows = incident.messages.order_by("-id")
    last = rows.filter(op="update").first() or incident.messages.filter(op="post").order_by("id").first()
    if last is None or now - last.created_at < RENEW_EVERY:
        return
    if last.payload == message.payload(told(incident)):
        return
    # A problem may last for days: its timeline has the history, not the outbox.
    rows.filter(op="update", state="SENT").delete()
    show(incident, now)


def told(incident: Incident) -> Facts:
    """What every message of an incident says: where, whose fault, figures, what was done, the runbook."""
    facts = _facts(
        incident,
        incident.standing or incident.title,
        incident.originator,
        incident.upstream,
        incident.numbers,
        incident.action,
        incident.runbook,
        incident.links,
    )
    return replace(facts, detail=[incident.title]) if incident.standing else facts


def _facts(
    incident: Incident,
    summary: str,
    originator: str,
    upstream: str,
    numbers: Mapping[str, str],
    action: str,
    slug: str,
    about: Sequence[tuple[str, str]],
) -> Facts:
    links = [runbook(slug, incident)] if slug else []
    links += [(words, f"{settings.BASE_URL}{path}") for words, path in about]
    links += [_link(incident), *_silence(incident)]
    return Facts(
        heading=summary if incident.state == "OPEN" else f"{incident.state.capitalize()}: {summary}",
        tier=incident.tier,
        route=incident.route,
        originator=message.known_originator(originator, upstream),
        severity=incident.severity,
        numbers=numbers,
        action=action,
        links=links,
        hint=_hint(incident),
    )


def runbook(slug: str, incident: Incident | None = None) -> tuple[str, str]:
    """The link to a runbook's page, with the incident in view where there is one."""
    address = message.runbook_link(settings.BASE_URL, slug, incident.pk if incident else None)
    return f"Runbook: {slug}", address


def _link(incident: Incident) -> tuple[str, str]:
    return f"Incident {incident.pk}", message.incident_link(settings.BASE_URL, incident.pk)


def _silence(incident: Incident) -> list[tuple[str, str]]:
    """Where a person says for how long nobody is told."""
    if incident.state not in OPEN_STATES:
        return []
    return [("Silence", message.silence_link(settings.BASE_URL, incident.pk))]


def _hint(incident: Incident) -> str:
    if incident.state == "OPEN":
        return "Acknowledge on the incident's page."
    return f"Acknowledged by {incident.acked_by}." if incident.acked_by else ""
