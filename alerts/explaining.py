"""Incidents that another one explains: nobody is told of them while that one is open.

Looked at when a signal joins an incident, and again at each tick, since the cause may be seen after its
consequences. Only the consequence's row is locked and written: two incidents are never locked at once.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from alerts import incidents
from alerts.domain.causes import Suspect, explanation
from alerts.domain.states import OPEN_STATES
from alerts.models import Alert, Incident
from audit.domain.actor import automation

# What is measured over a window goes on for a while after its cause has ended.
RELEASED_AFTER = timedelta(minutes=1)
BY = automation("alerts")


def look(incident: Incident, *, now: datetime) -> None:
    """Find what explains an incident, which is locked, where it explains itself so far."""
    if incident.explained_by_id is not None and incident.explained_by is not None:
        if incident.explained_by.state in OPEN_STATES:
            return
        incident.explained_by = None
        incident.save(update_fields=["explained_by"])
    suspects = _suspects(incident.tier, incident.family)
    mine = suspects.pop(incident.pk, None)
    found = explanation(mine, suspects.values()) if mine else None
    if found is not None:
        _explain(incident, found.id, now)


def relate(*, now: datetime) -> int:
    """Join what is open to what explains it, and let go what is no longer explained. Returns the changes.

    A constant number of queries for each tier while nothing changes, whatever the number of incidents.
    """
    changed = 0
    pairs = (
        Incident.objects.open().filter(explained_by=None).values_list("tier", "family").distinct().order_by()
    )
    for tier, family in _with_culprits(pairs):
        suspects = _suspects(tier, family)
        for mine in list(suspects.values()):
            found = explanation(mine, suspects.values())
            if found is not None:
                changed += _explain_locked(mine.id, found.id, now)
    explained = Incident.objects.open().exclude(explained_by=None)
    over = explained.filter(explained_by__resolved_at__lte=now - RELEASED_AFTER)
    for pk in over.values_list("pk", flat=True):
        changed += _release(pk, now)
    return changed


def _with_culprits(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of tiers and families those in which two incidents or more could have to do with each other."""
    firing = Alert.objects.filter(state="FIRING").exclude(about="")
    known = set(firing.values_list("incident__tier", "incident__family").distinct().order_by())
    return [pair for pair in pairs if pair in known]


def _suspects(tier: str, family: str) -> dict[int, Suspect]:
    """The open incidents of a tier and family that explain themselves, by number. One query."""
    firing = Alert.objects.filter(
        state="FIRING",
        incident__tier=tier,
        incident__family=family,
        incident__state__in=OPEN_STATES,
        incident__explained_by=None,
    )
    seen: dict[int, Suspect] = {}
    culprits: dict[int, set[tuple[str, str]]] = defaultdict(set)
    reach: dict[int, set[str]] = defaultdict(set)
    fields = ("incident_id", "incident__cause", "incident__severity", "cause", "about", "through")
    for pk, cause, severity, its, about, through in firing.values_list(*fields):
        reach[pk].update(through)
        if about:
            culprits[pk].add((its, about))
        seen[pk] = Suspect(pk, tier, cause, severity == "page", frozenset(culprits[pk]), frozenset(reach[pk]))
    return seen


@transaction.atomic
def _explain_locked(pk: int, by: int, now: datetime) -> int:
    """0 where it is over, or another worker was first."""
    incident = incidents.locked(pk)
    if incident.state not in OPEN_STATES or incident.explained_by_id is not None:
        return 0
    _explain(incident, by, now)
    return 1


def _explain(incident: Incident, by: int, now: datetime) -> None:
    incident.explained_by_id = by
    incident.escalates_at = None
    incident.save(update_fields=["explained_by", "escalates_at"])
    words = f"explained by incident {by}: told there, and nobody is called for this one"
    incidents.log(incident, now=now, kind="state", actor=BY.name, text=words)


@transaction.atomic
def _release(pk: int, now: datetime) -> int:
    """What goes on without its cause is a problem of its own, told at the next look at what was held back."""
    incident = incidents.locked(pk)
    if incident.state not in OPEN_STATES or incident.explained_by_id is None:
        return 0
    words = f"goes on though incident {incident.explained_by_id}, which explained it, is over"
    incident.explained_by = None
    incident.untold = True
    incident.save(update_fields=["explained_by", "untold"])
    incidents.log(incident, now=now, kind="state", actor=BY.name, text=words)
    return 1
