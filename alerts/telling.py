"""One message to people: in its incident's thread, or by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal, TypedDict, Unpack

from django.db import transaction

from alerts import announcements, incidents, offering, outbox
from alerts.domain import message
from alerts.domain.buttons import Button
from alerts.domain.message import Facts
from alerts.models import Incident

Kind = Literal["FIRING", "RESOLVED", "APPROVAL", "NEEDS_HUMAN", "INFO"]
Links = Sequence[tuple[str, str]]


class Parts(TypedDict, total=False):
    """What a message may say besides its heading.

    In an incident it also says what every message of it does: originator, figures, what the machine did, the
    runbook's link. Outside one the caller gives `originator` in words, and `runbook`. `links` are (words,
    address) pairs; with `broadcast` the channel shows it, too. `buttons` are actions of an app's table:
    `answered` takes them off again.
    """

    numbers: Mapping[str, str]
    action: str
    detail: Sequence[str]
    links: Links
    tier: str
    route: str
    originator: str
    runbook: str
    hint: str
    broadcast: bool
    buttons: Sequence[Button]


@transaction.atomic
def tell(
    *, key: str, kind: Kind, incident_id: int | None, heading: str, now: datetime, **parts: Unpack[Parts]
) -> bool:
    """Send one message once per `key`, in the incident's thread when there is one; see `Parts`.

    True when the row was added: not when the key was there already, nor under a silence (which never holds
    back NEEDS_HUMAN).
    """
    incident = incidents.locked(incident_id) if incident_id is not None else None
    if incident is not None and kind != "NEEDS_HUMAN" and incidents.silenced(incident, now):
        return False
    facts = _alone(heading, parts) if incident is None else _within(incident, heading, parts)
    facts = replace(facts, buttons=offering.offered(parts.get("buttons", ()), now=now))
    payload = message.payload(facts, broadcast=parts.get("broadcast", False))
    added = outbox.add(key=key, kind=kind, incident=_thread(incident), payload=payload, now=now)
    if added and incident is not None:
        # Callers repeat themselves at every tick: what is not sent again is not told again either.
        incidents.log(incident, now=now, kind="message", actor="alerts", text=heading)
    return added


def _alone(heading: str, parts: Parts) -> Facts:
    runbook = parts.get("runbook", "")
    links = [announcements.runbook(runbook)] if runbook else []
    return Facts(
        heading=heading,
        tier=parts.get("tier", ""),
        route=parts.get("route", ""),
        originator=parts.get("originator", ""),
        numbers=parts.get("numbers") or {},
        action=parts.get("action", ""),
        detail=parts.get("detail", ()),
        links=[*links, *parts.get("links", ())],
        hint=parts.get("hint", ""),
    )


def _within(incident: Incident, heading: str, parts: Parts) -> Facts:
    known = announcements.told(incident)
    links = parts.get("links", ())
    given = {address for _, address in links}
    return Facts(
        heading=heading,
        tier=parts.get("tier") or known.tier,
        route=parts.get("route") or known.route,
        originator=known.originator,
        numbers={**(parts.get("numbers") or {}), **known.numbers},
        action=parts.get("action") or known.action,
        detail=parts.get("detail", ()),
        links=[*links, *(link for link in known.links if link[1] not in given)],
        hint=parts.get("hint", ""),
    )


def _thread(incident: Incident | None) -> Incident | None:
    """Where it is said: what another incident explains, and nobody was told of, speaks in its thread."""
    if incident is None or incident.explained_by is None:
        return incident
    return incident if incident.messages.filter(op="post", to="").exists() else incident.explained_by
