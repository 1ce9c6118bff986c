"""Silences: who holds messages and automatic runs back, until when, and what is told when one ends."""

from datetime import datetime

from django.db import transaction

import audit.services
from alerts import announcements, incidents
from alerts.domain import silence as silences
from alerts.models import Alert, Silence
from audit.domain.actor import Actor


@transaction.atomic
def silence(*, incident_id: int, until: datetime, by: Actor, reason: str, now: datetime) -> int:
    """Send nothing about the incident's target and start no automatic run on it until `until`.

    At most 7 days. Reverts go on. Returns the silence's number; raises UnknownIncident, BadSilence.
    """
    silences.check(now=now, until=until)
    incident = incidents.locked(incident_id)
    row = Silence.objects.create(
        tier=incident.tier, route=incident.route, starts_at=now, ends_at=until, by=by.name, reason=reason
    )
    incidents.log(
        incident,
        now=now,
        kind="person",
        actor=by.name,
        text=f"silenced until {until:%Y-%m-%d %H:%M} UTC: {reason}",
    )
    incidents.record(incident, "incident.silenced", by=by, why=reason, now=now, until=until.isoformat())
    return row.pk


@transaction.atomic
def unsilence(*, silence_id: int, by: Actor, reason: str, now: datetime) -> None:
    """End a silence now; what fires under it is told at the next `expire_silences`. Idempotent."""
    row = Silence.objects.select_for_update().filter(pk=silence_id, ends_at__gt=now).first()
    if row is None:
        return
    row.ends_at = now
    row.save(update_fields=["ends_at"])
    target = f"{row.tier}/route/{row.route}" if row.route else row.tier
    audit.services.record(by=by, action="silence.ended", target=target, reason=reason, now=now)


@transaction.atomic
def expire_silences(*, now: datetime) -> int:
    """Tell of what still fires where a silence has ended. Returns how many silences ended."""
    over = list(Silence.objects.select_for_update().filter(ended=False, ends_at__lte=now))
    for row in over:
        row.ended = True
        row.save(update_fields=["ended"])
        firing = Alert.objects.filter(state="FIRING", incident__tier=row.tier).select_related("incident")
        for alert in firing.order_by("id"):
            covered = row.route in ("", alert.incident.route)
            if covered and not incidents.silenced(alert.incident, now):
                announcements.firing(alert.incident, alert, now, broadcast=True)
    return len(over)
