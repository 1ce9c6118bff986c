"""One step of a run: a conditional update, its row in the run's history and its audit row, or nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import F

import audit.services
from audit.domain.actor import Actor
from runbooks.domain.states import ENDED, after
from runbooks.models import Run, RunQuerySet, Step
from runbooks.services import telling


class Overtaken(Exception):
    """Somebody else moved the run: whatever was decided on the old state is void."""


def as_read(run: Run, *, claimed: bool) -> RunQuerySet:
    """The run's row as long as nobody has moved it, nor claimed it where it is `claimed`."""
    mine = Run.objects.filter(pk=run.pk, version=run.version)
    return mine.filter(claim_token=run.claim_token) if claimed else mine


def lock(run: Run) -> None:
    """Hold the run's row before anything else is locked. Raises Overtaken.

    Whoever changes several things locks them in this order, people and automation alike, or PostgreSQL ends
    one of the two: run or rollout, kill switch, tier, incident, alert, detection.
    """
    held = as_read(run, claimed=True).select_for_update()
    if not held.values_list("pk", flat=True).first():
        raise Overtaken(f"run {run.pk} moved on from version {run.version}")


def move(
    run: Run,
    event: str,
    *,
    why: str,
    by: Actor,
    now: datetime,
    evidence: Mapping[str, Any] | None = None,
    **fields: Any,
) -> None:
    """Take `event` from the state that `run` was read in, inside the caller's transaction.

    Raises WrongState, and Overtaken when version or claim are no longer what was read. A person's move clears
    the claim, so that a worker in flight fails here and its writes are rolled back.
    """
    was, state = run.state, after(run.state, event)
    claim = run.claim_token if by.source == "automation" else ""
    moved = as_read(run, claimed=by.source == "automation")
    changes = {
        "state": state,
        "version": F("version") + 1,
        "claim_token": claim,
        "entered_at": now,
        "why": why,
    }
    changed = moved.update(**{**changes, **fields})
    if not changed:
        raise Overtaken(f"run {run.pk} moved on from version {run.version}")
    run.refresh_from_db()
    Step.objects.create(
        run=run,
        version=run.version,
        at=now,
        event=event,
        state=state,
        actor=by.name,
        why=why,
        evidence=dict(evidence or {}),
    )
    audit.services.record(
        by=by,
        action=f"run.{event}",
        target=run.target,
        reason=why,
        now=now,
        detail={"run": run.pk, "version": run.version, "state": state},
    )
    if was == "AWAITING_APPROVAL" or state == "REVERTING" or state in ENDED:
        telling.answered(run, by=by, why=why, now=now)
