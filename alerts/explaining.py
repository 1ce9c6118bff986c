"""Incidents that another one explains: nobody is told of them while that one is open.

Looked at when a signal joins an incident, and again at each tick, since the cause may be seen after its
consequences. Only the consequence's row is locked and written: two incidents are never locked at once.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min, QuerySet

from alerts import announcements, incidents
from alerts.domain.causes import ACROSS, Consequence, Culprit, explanation
from alerts.domain.states import OPEN_STATES
from alerts.models import Alert, Incident
from audit.domain.actor import automation

# What is measured over a window goes on for a while after its cause has ended.
RELEASED_AFTER = timedelta(minutes=1)
BY = automation("alerts")


def look(incident: Incident, *, now: datetime) -> None:
    """Find what explains an incident, which is locked, where it explains itself so far."""
    if incident.explained_by is not None:
        if incident.explained_by.state in OPEN_STATES:
            return
        incident.explained_by = None
        incident.save(update_fields=["explained_by"])
    mine = _consequences(incident=incident.pk).get(incident.pk)
    if mine is None:
        return
    found = explanation(mine, _culprits(incident__tier=mine.tier, about__in=mine.reach))
    if found is not None:
        _explain(incident, found.id, now)


def relate(*, now: datetime) -> int:
    """Join what is open to what explains it, and let go what is no longer explained. Returns the changes.

    Three queries while nothing changes, whatever the number of incidents.
    """
    changed = 0
    at: dict[tuple[str, str], list[Culprit]] = defaultdict(list)
    for culprit in _culprits():
        at[culprit.tier, culprit.upstream].append(culprit)
    tiers = {tier for tier, _ in at}
    for mine in _consequences(incident__tier__in=tiers).values() if tiers else ():
        near = [each for upstream in mine.reach for each in at[mine.tier, upstream]]
        found = explanation(mine, near)
        if found is not None:
            changed += _explain_locked(mine.id, found.id, now)
    explained = Incident.objects.open().exclude(explained_by=None)
    over = explained.filter(explained_by__resolved_at__lte=now - RELEASED_AFTER)
    for pk in over.values_list("pk", flat=True):
        changed += _release(pk, now)
    return changed


def _firing(**narrowed: Any) -> QuerySet[Alert]:
    """What fires in open incidents that explain themselves."""
    return Alert.objects.filter(
        state="FIRING", incident__state__in=OPEN_STATES, incident__explained_by=None, **narrowed
    )


def _culprits(**narrowed: Any) -> list[Culprit]:
    """The oldest incident of each cause at each upstream: as many rows as there are of these."""
    found = _firing(cause__in=ACROSS, **narrowed).exclude(about="")
    kinds = found.values_list("incident__tier", "about", "cause", "incident__severity").order_by()
    return [
        Culprit(first, tier, upstream, cause, severity == "page")
        for tier, upstream, cause, severity, first in kinds.annotate(first=Min("incident_id"))
    ]


def _consequences(**narrowed: Any) -> dict[int, Consequence]:
    """What may be explained, by its number. One query."""
    reach: dict[int, set[str]] = defaultdict(set)
    facts: dict[int, tuple[str, str, bool]] = {}
    fields = ("incident_id", "incident__tier", "incident__cause", "incident__severity", "through")
    for pk, tier, cause, severity, through in _firing(**narrowed).values_list(*fields):
        reach[pk].update(through)
        facts[pk] = (tier, cause, severity == "page")
    return {pk: Consequence(pk, *known, frozenset(reach[pk])) for pk, known in facts.items()}


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
    announcements.show(incident, now)


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
