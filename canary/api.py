"""The API of rollouts."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Literal

from django.utils import timezone
from ninja import Field, Router, Schema, Status
from pydantic import StrictInt, StrictStr

from access.paging import Limit
from access.permission import ApiRequest, operates
from access.problem import Problem, field
from access.schema import Request, Why
from canary import freezes, selectors, services
from canary.domain.errors import Frozen, Held, KeyReused, LiveRollout, NotNow, Refused, Stale, UnknownRollout
from canary.domain.hooks import without_queries
from canary.domain.plan import Plan
from canary.domain.states import WrongState
from canary.selectors import RolloutDetail, RolloutRow, StepRow, Times, VerifiedRow
from canary.services.rehearsing import Rehearsal
from canary.standings import MetricRow

router = Router(tags=["rollouts"])
CONFLICTS = (LiveRollout, Held, KeyReused, Stale, Frozen, NotNow)


class StartIn(Request):
    """A rollout. `plan` may give steps (basis points), patience, the judge's limits; `key` is idempotent."""

    route: StrictStr | StrictInt
    upstream: str
    plan: dict[str, Any] | None = None
    mode: Literal["approve", "auto", "observe"] = "approve"
    reason: str = Field("", max_length=500)
    key: str = Field("", max_length=100)


class StepWhy(Why):
    """`step` is the number of the step that was looked at: 409 where somebody has ended that one already."""

    step: StrictInt | None = None


class RolloutOut(Schema):
    """A rollout in a list. `weight` and `steps` are in basis points.

    `summary`: where it stands. `reason`: why it is in its state. `stated_reason`: what was said at the start.
    `reserve`: whether the other arms could take all of it back, with the figures. `held`: why the machine
    takes no step though nothing speaks against the canary: both arms fail.
    """

    id: int
    tier: str
    route: str
    route_id: int
    upstream: str
    control: list[str]
    state: str
    mode: str
    weight: int
    step: int
    steps: list[int]
    summary: str
    stated_reason: str
    reason: str
    problem: str
    created_at: datetime
    created_by: str
    finished_at: datetime | None
    no_data_since: datetime | None
    held: str
    reserve: str
    overlay_expires_at: datetime | None
    key: str


class RolloutDetailOut(RolloutOut):
    """A rollout with its arms, ladder, what each proxy verified, and the phases of its last decision."""

    plainly: str
    promise: str
    plan: Plan
    frozen: str
    frozen_until: datetime | None
    bake_ends_at: datetime | None
    retry_of: int | None
    retries: list[int]
    metrics: list[MetricRow]
    ladder: list[StepRow]
    proxies: list[VerifiedRow]
    actions: list[str]
    times: Times
    incident_id: int | None
    dropped_ticks: int
    dropped: dict[str, int]
    queries: list[str]


@router.get("/rollouts", response=list[RolloutOut])
def rollouts(request: ApiRequest, live: bool | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
    """Rollouts, the newest first."""
    return [_row(row) for row in selectors.rollouts(live=live, limit=limit)]


@router.post("/rollouts", response={201: RolloutDetailOut}, auth=operates)
def start(request: ApiRequest, body: StartIn) -> Status[dict[str, Any]]:
    """Start a rollout. 409 when the route has one already or a freeze, a budget or too little room holds it.

    422 for what cannot be; both name the field.

    The same `key` with the same body answers with the rollout that it started; with another body it is 409.
    """
    try:
        started = services.start(
            route=body.route,
            upstream=body.upstream,
            plan=body.plan,
            mode=body.mode,
            reason=body.reason,
            key=body.key,
            by=request.auth,
            now=timezone.now(),
        )
    except Refused as error:
        raise _problem(error) from error
    return Status(HTTPStatus.CREATED, _detail(selectors.rollout(started)))


class DryRunIn(Request):
    """What a start would be asked for."""

    route: StrictStr | StrictInt
    upstream: str
    plan: dict[str, Any] | None = None
    mode: Literal["approve", "auto", "observe"] = "approve"


@router.post("/rollouts/dry-run", response=Rehearsal, auth=operates)
def dry_run(request: ApiRequest, body: DryRunIn) -> Rehearsal:
    """The plan with its defaults and the split of every proxy step by step. Nothing is written.

    422 and 409 as for a start; what a freeze or a budget would refuse at the moment is in `held`.
    """
    try:
        return services.rehearse(
            route=body.route, upstream=body.upstream, plan=body.plan, mode=body.mode, now=timezone.now()
        )
    except Refused as error:
        raise _problem(error) from error


@router.get("/rollouts/{int:rollout_id}", response=RolloutDetailOut)
def rollout(request: ApiRequest, rollout_id: int) -> dict[str, Any]:
    """One rollout."""
    try:
        return _detail(selectors.rollout(rollout_id))
    except UnknownRollout as error:
        raise Problem(HTTPStatus.NOT_FOUND, error.why) from error


@router.post("/rollouts/{int:rollout_id}/approve", response=RolloutDetailOut, auth=operates)
def approve(request: ApiRequest, rollout_id: int, body: StepWhy | None = None) -> dict[str, Any]:
    """Take the next step."""
    return _act(partial(services.approve, step=body.step if body else None), request, rollout_id, body)


@router.post("/rollouts/{int:rollout_id}/skip", response=RolloutDetailOut, auth=operates)
def skip(request: ApiRequest, rollout_id: int, body: StepWhy | None = None) -> dict[str, Any]:
    """Take the next step without a PASS; a reason is demanded, and the whole is no such step."""
    return _act(partial(services.skip, step=body.step if body else None), request, rollout_id, body)


@router.post("/rollouts/{int:rollout_id}/undo", response=RolloutDetailOut, auth=operates)
def undo(request: ApiRequest, rollout_id: int, body: Why | None = None) -> dict[str, Any]:
    """Give back the split that a promotion has replaced. 409 where the split was changed since."""
    return _act(services.undo, request, rollout_id, body)


@router.post("/rollouts/{int:rollout_id}/retry", response={201: RolloutDetailOut}, auth=operates)
def retry(request: ApiRequest, rollout_id: int, body: Why | None = None) -> Status[dict[str, Any]]:
    """Start what was rolled back anew, with the same plan: the new rollout."""
    try:
        number = services.retry(
            rollout_id=rollout_id, by=request.auth, reason=body.reason if body else "", now=timezone.now()
        )
    except UnknownRollout as error:
        raise Problem(HTTPStatus.NOT_FOUND, error.why) from error
    except WrongState as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except Refused as error:
        raise _problem(error) from error
    return Status(HTTPStatus.CREATED, _detail(selectors.rollout(number)))


@router.post("/rollouts/{int:rollout_id}/pause", response=RolloutDetailOut, auth=operates)
def pause(request: ApiRequest, rollout_id: int, body: Why | None = None) -> dict[str, Any]:
    """Stay at this weight; the judge goes on and may still roll back."""
    return _act(services.pause, request, rollout_id, body)


@router.post("/rollouts/{int:rollout_id}/resume", response=RolloutDetailOut, auth=operates)
def resume(request: ApiRequest, rollout_id: int, body: Why | None = None) -> dict[str, Any]:
    """Go on."""
    return _act(services.resume, request, rollout_id, body)


@router.post("/rollouts/{int:rollout_id}/promote", response=RolloutDetailOut, auth=operates)
def promote(request: ApiRequest, rollout_id: int, body: Why | None = None) -> dict[str, Any]:
    """Give the canary everything at once, whatever the judge says so far."""
    return _act(services.promote, request, rollout_id, body)


@router.post("/rollouts/{int:rollout_id}/rollback", response=RolloutDetailOut, auth=operates)
@router.post(  # as `actions` and releases name it
    "/rollouts/{int:rollout_id}/roll_back", response=RolloutDetailOut, auth=operates, include_in_schema=False
)
def rollback(request: ApiRequest, rollout_id: int, body: Why | None = None) -> dict[str, Any]:
    """Take the canary's traffic away."""
    return _act(services.rollback, request, rollout_id, body)


@router.post("/rollouts/{int:rollout_id}/force", response=RolloutDetailOut, auth=operates)
def force(request: ApiRequest, rollout_id: int, body: Why | None = None) -> dict[str, Any]:
    """Take all back at once of what returns in stages, whatever the other arms can take."""
    return _act(services.force, request, rollout_id, body)


@router.post("/rollouts/{int:rollout_id}/close", response=RolloutDetailOut, auth=operates)
def close(request: ApiRequest, rollout_id: int, body: Why | None = None) -> dict[str, Any]:
    """End a rollback that cannot be read back from every proxy."""
    return _act(services.close, request, rollout_id, body)


def _act(do: Callable[..., None], request: ApiRequest, rollout_id: int, body: Why | None) -> dict[str, Any]:
    try:
        do(rollout_id=rollout_id, by=request.auth, reason=body.reason if body else "", now=timezone.now())
    except UnknownRollout as error:
        raise Problem(HTTPStatus.NOT_FOUND, error.why) from error
    except WrongState as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except Refused as error:
        raise _problem(error) from error
    return _detail(selectors.rollout(rollout_id))


def _problem(error: Refused) -> Problem:
    conflict = isinstance(error, CONFLICTS)
    status = HTTPStatus.CONFLICT if conflict else HTTPStatus.UNPROCESSABLE_ENTITY
    return field(error.field, error.why, status=status)


def _row(row: RolloutRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in RolloutOut.model_fields}


def _detail(detail: RolloutDetail) -> dict[str, Any]:
    row = detail.row
    hold = freezes.of_rollout(
        row.id, tier=row.tier, route=row.route, state=row.state, plan=detail.plan, now=timezone.now()
    )
    return {
        **_row(detail.row),
        "plan": without_queries(detail.plan.model_dump(mode="json")),
        "frozen": hold.why if hold else "",
        "frozen_until": hold.until if hold else None,
        "bake_ends_at": detail.bake_ends_at,
        "retry_of": detail.retry_of,
        "retries": detail.retries,
        "plainly": detail.plainly,
        "promise": detail.promise,
        "metrics": detail.metrics,
        "ladder": detail.ladder,
        "proxies": detail.proxies,
        "actions": [row.action for row in detail.actions],
        "times": detail.times,
        "incident_id": detail.incident,
        "dropped_ticks": detail.dropped_ticks,
        "dropped": dict(detail.dropped),
        "queries": detail.queries,
    }
