"""Silences: who holds messages and automatic runs back, until when, and what is told when one ends."""

from datetime import datetime

from django.db import transaction

import audit.services
from alerts import announcements, incidents, paging
from alerts.domain import silence as silences
from alerts.domain.states import OPEN_STATES
from alerts.models import Incident, Silence
from audit.domain.actor import Actor


class UnknownSilence(Exception):
    """There is no silence with this number."""


@transaction.atomic
def silence(*, incident_id: int, until: datetime, by: Actor, reason: str, now: datetime) -> int:
    """Send nothing about the incident's target and start no automatic run on it until `until`.

    At most 7 days. Reverts go on. Returns the silence's number; raises UnknownIncident, BadSilence.
    """
    silences.check(now=now, until=until)
    incident = incidents.locked(incident_id)
    row = Silence.objects.create(
        tier=incident.tier,
        route=incident.route,
        upstream=incident.of_upstream,
        # What belongs to no tier has nothing in common but that.
        family="" if incident.tier else incident.family,
        starts_at=now,
        ends_at=until,
        by=by.name,
        reason=reason,
    )
    if incident.state in OPEN_STATES:
        # Whoever silences it knows of it; whoever comes after the silence may not.
        incident.untold, incident.escalates_at = True, None
        incident.save(update_fields=["untold", "escalates_at"])
    words = f"silenced until {until:%Y-%m-%d %H:%M} UTC: {reason}"
    incidents.log(incident, now=now, kind="person", actor=by.name, text=words)
    incidents.record(incident, "incident.silenced", by=by, why=reason, now=now, until=until.isoformat())
    announcements.show(incident, now)
    return row.pk


@transaction.atomic
def unsilence(*, silence_id: int, by: Actor, reason: str, now: datetime) -> None:
    """End a silence now; what fires under it is told at the next `expire_silences`. Idempotent.

    Raises UnknownSilence.
    """
    row = Silence.objects.select_for_update().filter(pk=silence_id).first()
    if row is None:
        raise UnknownSilence(f"there is no silence {silence_id}")
    if row.ends_at <= now:
        return
    row.ends_at = now
    row.save(update_fields=["ends_at"])
    audit.services.record(by=by, action="silence.ended", target=row.target, reason=reason, now=now)


def expire_silences(*, now: datetime) -> int:
    """Tell of what is still open and was held back, where nothing holds it back any more. Returns how many
    silences ended.

    It goes by what was held back and not by which silence ended: a signal that came at the last moment of a
    silence may be committed after its end was seen.
    """
    ended = Silence.objects.filter(ended=False, ends_at__lte=now).update(ended=True)
    held = Incident.objects.open().filter(untold=True, explained_by=None).order_by("id")
    live = list(Silence.objects.live(now))
    for incident in held:
        if not any(_covers(row, incident) for row in live):
            _tell_again(incident.pk, now)
    return ended


def _covers(row: Silence, incident: Incident) -> bool:
    mine = (incident.tier, incident.route, incident.of_upstream)
    whole = (incident.tier, "", "")
    return (row.tier, row.route, row.upstream) in (mine, whole) and row.family in ("", incident.family)


@transaction.atomic
def _tell_again(pk: int, now: datetime) -> None:
    """Once, whoever else looks: the mark goes with the message, under the incident's lock."""
    incident = incidents.locked(pk)
    if incident.state not in OPEN_STATES or not incident.untold or incidents.held_back(incident, now):
        return
    incident.untold = False
    incident.save(update_fields=["untold"])
    if not incident.alerts.filter(state="FIRING").exists():
        return
    announcements.still(incident, now)
    if incident.state == "OPEN":
        paging.begin(incident, now)
