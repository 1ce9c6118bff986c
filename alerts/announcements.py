"""What an incident says: its first message, its thread, and what the first message shows later."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from alerts import incidents, offering, outbox
from alerts.domain import message
from alerts.domain.buttons import Button
from alerts.domain.message import Facts
from alerts.domain.states import INCIDENT, OPEN_STATES
from alerts.models import Alert, Incident, Silence

RENEW_EVERY = timedelta(minutes=1)
# What `alerts.pressed` does when one is pressed.
ACKNOWLEDGE, SILENCE = "incident.acknowledge", "incident.silence"


def firing(incident: Incident, alert: Alert, now: datetime, *, broadcast: bool = False) -> None:
    """Tell of an alert: the incident's first message, which has its buttons, or a line in its thread.

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
    root = incident.messages.filter(op="post", to="").exists()
    outbox.add(
        key=f"alert/{alert.pk}/firing",
        kind="FIRING",
        incident=incident,
        # A ticket in the thread of a page is still a ticket.
        payload=message.payload(
            replace(facts, severity=alert.severity, buttons=() if root else buttons(incident, now)),
            broadcast=broadcast,
        ),
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


def still(incident: Incident, now: datetime) -> None:
    """Say, in the channel too, what was held back and is still open, once nothing holds it back any more."""
    said = incident.messages.filter(kind="FIRING").exists()
    facts = told(incident)
    facts = replace(facts, heading=f"Still open: {incident.title}") if said else facts
    root = incident.messages.filter(op="post", to="").exists()
    outbox.add(
        key=f"incident/{incident.pk}/still/{now.timestamp():.6f}",
        kind="FIRING",
        incident=incident,
        payload=message.payload(
            replace(facts, buttons=() if root else buttons(incident, now)), broadcast=True
        ),
        now=now,
    )
    show(incident, now)


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
    if not incident.messages.filter(op="post", to="").exists():
        return
    outbox.show(incident=incident, payload=_first(incident, now), now=now)


def renew(incident: Incident, now: datetime) -> None:
    """Let the root message follow the figures: at most once a minute, and only when they differ."""
    rows = incident.messages.order_by("-id")
    last = (
        rows.filter(op="update").first() or incident.messages.filter(op="post", to="").order_by("id").first()
    )
    if last is None or now - last.created_at < RENEW_EVERY:
        return
    if last.payload == _first(incident, now):
        return
    # A problem may last for days: its timeline has the history, not the outbox.
    rows.filter(op="update", state="SENT").delete()
    show(incident, now)


def _first(incident: Incident, now: datetime) -> dict[str, Any]:
    """What the incident's first message shows now."""
    silences = Silence.objects.covering(**incidents.covered(incident))
    quiet = silences.live(now).first()
    facts = replace(told(incident), buttons=buttons(incident, now, silenced=quiet is not None))
    if quiet is not None:
        said = f"Silenced until {quiet.ends_at:%Y-%m-%d %H:%M} UTC by {quiet.by}."
        facts = replace(facts, hint=f"{facts.hint} {said}".strip())
    return message.payload(facts)


def buttons(incident: Incident, now: datetime, *, silenced: bool = False) -> list[dict[str, Any]]:
    """What can be done about it from its first message, by its state."""
    wanted = []
    if "acknowledge" in INCIDENT[incident.state]:
        # Each time that it opens again somebody has to say anew that they have it.
        wanted.append(Button(ACKNOWLEDGE, incident.pk, "Acknowledge", str(incident.version), "primary"))
    if incident.state in OPEN_STATES and not silenced:
        over = Silence.objects.covering(**incidents.covered(incident))
        wanted.append(Button(SILENCE, incident.pk, "Silence 1 h", str(over.count())))
    return offering.offered(wanted, now=now)


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
    # What comes from outside leads outside.
    links += [(words, path if "://" in path else f"{settings.BASE_URL}{path}") for words, path in about]
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
    if incident.explained_by_id is not None:
        return f"Incident {incident.explained_by_id} explains this one: what is to be done is told there."
    if incident.state == "OPEN":
        return "Acknowledge on the incident's page."
    return f"Acknowledged by {incident.acked_by}." if incident.acked_by else ""
