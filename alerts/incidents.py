"""How an incident changes: one step of its table, with its audit row and its line in the timeline."""

from collections.abc import Mapping
from datetime import datetime

import audit.services
from alerts.domain.states import incident_after
from alerts.models import Incident, Silence, TimelineEntry
from audit.domain.actor import Actor


class UnknownIncident(Exception):
    """There is no incident with this number."""


def locked(incident_id: int) -> Incident:
    """The incident's row, locked until the transaction ends. Raises UnknownIncident."""
    incident = Incident.objects.select_for_update().filter(pk=incident_id).first()
    if incident is None:
        raise UnknownIncident(f"there is no incident {incident_id}")
    return incident


def move(incident: Incident, event: str, *, now: datetime, by: Actor, why: str, line: str = "") -> None:
    """Take `event` from the incident's state. Raises WrongState.

    `line` is what the timeline says of it, where another line there has `why` already.
    """
    incident.state = incident_after(incident.state, event)
    incident.version += 1
    if event != "mitigate":
        incident.standing = ""
    incident.save()
    log(incident, now=now, kind="state", actor=by.name, text=line or f"{incident.state.lower()}: {why}")
    record(incident, f"incident.{incident.state.lower()}", by=by, why=why, now=now)


def record(incident: Incident, action: str, *, by: Actor, why: str, now: datetime, **detail: str) -> None:
    """Its audit row."""
    audit.services.record(
        by=by,
        action=action,
        target=incident.target,
        reason=why,
        now=now,
        detail={"incident": incident.pk, "version": incident.version, **detail},
    )


def log(
    incident: Incident,
    *,
    now: datetime,
    kind: str,
    actor: str,
    text: str,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Its line in the timeline."""
    TimelineEntry.objects.create(
        incident=incident, at=now, kind=kind, actor=actor, text=text, detail=dict(detail or {})
    )


def silenced(incident: Incident, now: datetime) -> bool:
    """Whether a silence covers its target now."""
    return Silence.objects.live(now).covering(**covered(incident)).exists()


def covered(incident: Incident) -> dict[str, str]:
    """Its target, as silences cover it."""
    return {
        "tier": incident.tier,
        "route": incident.route,
        "upstream": incident.of_upstream,
        "family": incident.family,
    }


def held_back(incident: Incident, now: datetime) -> bool:
    """Whether nobody is told of it now: a silence covers it, or another incident explains it."""
    return incident.explained_by_id is not None or silenced(incident, now)


def hold(incident: Incident) -> None:
    """Remember that something was not told."""
    if not incident.untold:
        incident.untold = True
        incident.save(update_fields=["untold"])
