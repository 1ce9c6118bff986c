"""The API of runs."""

from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from ninja import Router, Schema

from access.paging import Limit
from access.permission import ApiRequest, operates
from access.problem import Problem, field
from access.schema import Why
from runbooks import selectors, services
from runbooks.domain.states import WrongState
from runbooks.selectors import ApprovalRow, RunRow

router = Router(tags=["runs"])


class RunStepOut(Schema):
    """One transition of a run with the evidence that it was decided on."""

    version: int
    at: datetime
    event: str
    state: str
    actor: str
    why: str
    evidence: dict[str, Any]


class RunOut(Schema):
    """A run. `plan` is the exact change that `plan_hash` names; `approve_by` is set while it waits.

    It is about the `scope` (route, upstream, tier) called `subject`; `route` is empty where that is another.
    """

    id: int
    runbook: str
    tier: str
    scope: str
    subject: str
    route: str
    target: str
    state: str
    open: bool
    why: str
    by_hand: str
    taken_by: str
    incident_id: int | None
    plan: dict[str, Any] | None
    plan_hash: str
    approve_by: datetime | None
    overlay_expires_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    steps: list[RunStepOut]
    approvals: list[ApprovalRow]

    @classmethod
    def of(cls, row: RunRow) -> "RunOut":
        return cls(
            id=row.id,
            runbook=row.runbook,
            tier=row.tier,
            scope=row.scope,
            subject=row.subject,
            route=row.route,
            target=row.target,
            state=row.state.lower(),
            open=row.open,
            why=row.why,
            by_hand=row.by_hand,
            taken_by=row.taken_by,
            incident_id=row.incident_id,
            plan=row.plan.as_data() if row.plan else None,
            plan_hash=row.plan_hash,
            approve_by=row.approve_by,
            overlay_expires_at=row.overlay_expires_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
            steps=[RunStepOut.model_validate(asdict(step)) for step in row.steps],
            approvals=list(row.approvals),
        )


class ApproveIn(Why):
    """A yes to one exact plan. `plan_hash` may be left out while the run has asked for one plan only."""

    plan_hash: str | None = None


@router.get("/runs", response=list[RunOut])
def runs(
    request: ApiRequest, runbook: str = "", tier: str = "", open: bool = False, limit: Limit = 100
) -> list[RunOut]:
    """Runs, the newest first, without their steps."""
    rows = selectors.runs(runbook=runbook, tier=tier, open_only=open, limit=limit)
    return [RunOut.of(row) for row in rows]


@router.get("/runs/{int:run_id}", response=RunOut)
def run(request: ApiRequest, run_id: int) -> RunOut:
    """One run with its steps and approvals."""
    return RunOut.of(found(run_id))


@router.post("/runs/{int:run_id}/approve", response=RunOut, auth=operates)
def approve(request: ApiRequest, run_id: int, body: ApproveIn | None = None) -> RunOut:
    """Approve the plan. 409 when the run does not wait, the plan changed or the time is over.

    422 without `plan_hash` when the run has asked for more than one plan: say which one.
    """
    given = body or ApproveIn.model_validate({})
    plan_hash, now = given.plan_hash or None, timezone.now()
    try:
        services.approve(run_id=run_id, plan_hash=plan_hash, by=request.auth, reason=given.reason, now=now)
    except services.PlanNotNamed as error:
        raise field("plan_hash", str(error)) from error
    except services.PlanChanged as error:
        raise field("plan_hash", str(error), status=HTTPStatus.CONFLICT) from error
    except (WrongState, services.ApprovalOver, services.AnotherPerson) as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except services.UnknownRun as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    return run(request, run_id)


@router.post("/runs/{int:run_id}/deny", response=RunOut, auth=operates)
def deny(request: ApiRequest, run_id: int, body: Why | None = None) -> RunOut:
    """Deny the plan."""
    reason = body.reason if body else ""
    try:
        services.deny(run_id=run_id, by=request.auth, reason=reason, now=timezone.now())
    except WrongState as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except services.UnknownRun as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    return run(request, run_id)


@router.post("/runs/{int:run_id}/cancel", response=RunOut, auth=operates)
def cancel(request: ApiRequest, run_id: int, body: Why | None = None) -> RunOut:
    """End the run and take back what it did."""
    reason = body.reason if body else ""
    try:
        services.cancel(run_id=run_id, by=request.auth, reason=reason, now=timezone.now())
    except WrongState as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except services.UnknownRun as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    return run(request, run_id)


def found(run_id: int) -> RunRow:
    """The run, or a problem that says that there is none."""
    row = selectors.run(run_id)
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no run {run_id}.")
    return row
