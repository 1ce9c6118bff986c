"""What an incident says while a run holds: that the load is off, and what clients still feel."""

from datetime import datetime

import alerts.services
from audit.domain.actor import automation
from runbooks.domain import retry_storm
from runbooks.domain.policy import Policy
from runbooks.domain.retry_storm import Measure
from runbooks.models import Run

BY = automation("runbooks")


def before(run: Run) -> Measure:
    """What was measured when the run decided to act."""
    return retry_storm.measure_from(run.before or {"at": run.started_at.isoformat()})


def mitigated(run: Run, measure: Measure, policy: Policy, *, why: str, now: datetime) -> None:
    """The incident's symptom is gone for as long as the run holds."""
    if run.incident_id is None:
        return
    number, standing = run.incident_id, retry_storm.standing(measure, before(run), policy)
    alerts.services.acted(incident_id=number, action=_action(run, measure, policy), by=BY, now=now)
    alerts.services.mitigate(
        incident_id=number, by=BY, reason=f"run {run.pk}: {why}", now=now, standing=standing
    )
    stands(run, measure, policy, now=now)


def stands(run: Run, measure: Measure, policy: Policy, *, now: datetime) -> None:
    """What clients feel now; without data the last that was known stays."""
    if run.incident_id is None or retry_storm.detect(measure, policy) == "no_data":
        return
    alerts.services.stands(
        incident_id=run.incident_id,
        standing=retry_storm.standing(measure, before(run), policy),
        numbers=retry_storm.numbers(measure),
        action=_action(run, measure, policy),
        now=now,
    )


def _action(run: Run, measure: Measure, policy: Policy) -> str:
    return f"Run {run.pk} holds: {retry_storm.holds(measure, policy)}"
