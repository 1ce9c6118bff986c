"""How an incident stands: what people and the machine say of it, and how it ends."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from alerts import announcements, incidents, paging
from alerts.domain.states import alert_after
from alerts.models import Alert, Incident
from audit.domain.actor import Actor


@transaction.atomic
def acknowledge(*, incident_id: int, by: Actor, reason: str, now: datetime) -> None:
    """A person has it. Raises UnknownIncident, and WrongState when it is resolved or acknowledged already."""
    incident = incidents.locked(incident_id)
    incident.acked_at, incident.acked_by = now, by.name
    incident.escalates_at = None
    incidents.move(incident, "acknowledge", now=now, by=by, why=reason)
    announcements.show(incident, now)
    paging.follow(incident, "acknowledge", now)


@transaction.atomic
def mitigate(*, incident_id: int, by: Actor, reason: str, now: datetime, standing: str = "") -> bool:
    """The symptom is gone though its cause may not be. False when the incident is past that already.

    `standing` is what clients still feel: the root message says that first.
    """
    incident = incidents.locked(incident_id)
    if incident.state not in ("OPEN", "ACKED"):
        return False
    incident.alerts.filter(state="FIRING").update(mitigated_at=now)
    incident.standing = standing
    incident.escalates_at = None
    incidents.move(incident, "mitigate", now=now, by=by, why=reason)
    announcements.show(incident, now)
    return True


@transaction.atomic
def worsen(*, incident_id: int, by: Actor, reason: str, now: datetime) -> bool:
    """What was mitigated is back though its alerts never cleared: told where everybody sees it.

    False when the incident is not mitigated.
    """
    incident = incidents.locked(incident_id)
    if incident.state != "MITIGATED":
        return False
    incident.alerts.filter(state="FIRING").update(mitigated_at=None)
    incident.acked_at, incident.acked_by = None, ""
    incidents.move(incident, "worsen", now=now, by=by, why=reason)
    if incidents.held_back(incident, now):
        incidents.hold(incident)
    else:
        announcements.back(incident, reason, now)
        paging.begin(incident, now)
    announcements.show(incident, now)
    return True


@transaction.atomic
def stands(
    *, incident_id: int, standing: str, numbers: Mapping[str, str], action: str, now: datetime
) -> bool:
    """Say how a mitigated incident is now, in its figures and its root message; the timeline stays as it is.

    False when it is not mitigated.
    """
    incident = incidents.locked(incident_id)
    if incident.state != "MITIGATED":
        return False
    incident.standing, incident.numbers, incident.action = standing, dict(numbers), action
    incident.save(update_fields=["standing", "numbers", "action"])
    announcements.renew(incident, now)
    return True


@transaction.atomic
def acted(*, incident_id: int, action: str, by: Actor, now: datetime) -> None:
    """Say what the machine does about it now: in the timeline and in the root message. Idempotent."""
    incident = incidents.locked(incident_id)
    if incident.action == action:
        return
    incident.action = action
    incident.save(update_fields=["action"])
    incidents.log(incident, now=now, kind="action", actor=by.name, text=action)
    announcements.show(incident, now)


@transaction.atomic
def note(
    *, incident_id: int, text: str, by: Actor, now: datetime, detail: Mapping[str, object] | None = None
) -> None:
    """Add a line to an incident's timeline; nothing is sent."""
    incidents.log(
        incidents.locked(incident_id), now=now, kind="action", actor=by.name, text=text, detail=detail
    )


@transaction.atomic
def resolve(*, incident_id: int, by: Actor, reason: str, now: datetime) -> None:
    """Close it and what still fires in it. Raises UnknownIncident, WrongState.

    A condition that goes on reopens it at its next new signal, with one flap more.
    """
    incident = incidents.locked(incident_id)
    over(incident, why=reason, by=by, now=now)
    for pk in incident.alerts.filter(state="FIRING").values_list("pk", flat=True):
        end_alert(pk, reason, now)


def over(incident: Incident, *, why: str, by: Actor, now: datetime, line: str = "") -> None:
    """Resolve an incident, which is locked, and tell who was told of it. Raises WrongState."""
    incident.resolved_at = now
    incident.escalates_at = None
    incident.untold = False
    incidents.move(incident, "resolve", now=now, by=by, why=why, line=line)
    announcements.show(incident, now)
    person = "" if by.source == "automation" else by.name
    announcements.resolved(incident, why, now, person=person)
    paging.follow(incident, "resolve", now)


def end_alert(pk: int, why: str, now: datetime) -> int:
    """0 where it is over already."""
    return Alert.objects.filter(pk=pk, state="FIRING").update(
        state=alert_after("FIRING", "resolve"), resolved_at=now, why_resolved=why
    )
