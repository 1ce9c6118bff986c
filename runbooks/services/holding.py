"""What an incident says while a run holds: that the load is off, and what clients still feel."""

from datetime import datetime

import alerts.services
from audit.domain.actor import automation
from runbooks.domain.judging import Judge
from runbooks.domain.measures import Measure, measure_from
from runbooks.models import Run

BY = automation("runbooks")


def before(run: Run) -> Measure:
    """What was measured when the run decided to act."""
    return measure_from(run.before or {"at": run.started_at.isoformat()})


def mitigated(run: Run, judge: Judge, measure: Measure, *, why: str, now: datetime) -> None:
    """The incident's symptom is gone for as long as the run holds."""
    if run.incident_id is None:
        return
    number, standing = run.incident_id, judge.standing(measure, before(run))
    alerts.services.acted(incident_id=number, action=_action(run, judge, measure), by=BY, now=now)
    alerts.services.mitigate(
        incident_id=number, by=BY, reason=f"run {run.pk}: {why}", now=now, standing=standing
    )
    stands(run, judge, measure, now=now)


def stands(run: Run, judge: Judge, measure: Measure, *, now: datetime) -> None:
    """What clients feel now; without data the last that was known stays."""
    if run.incident_id is None or judge.detect(measure) == "no_data":
        return
    alerts.services.stands(
        incident_id=run.incident_id,
        standing=judge.standing(measure, before(run)),
        numbers=judge.numbers(measure),
        action=_action(run, judge, measure),
        now=now,
    )


def _action(run: Run, judge: Judge, measure: Measure) -> str:
    return f"Run {run.pk} holds: {judge.left(measure)}"
