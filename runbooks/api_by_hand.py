"""The API of what people do by hand: show a plan, start a run, take one over."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from ninja import Router, Schema, Status

from access.permission import ApiRequest, operates
from access.problem import Problem, field
from access.schema import Because, Why
from proxy.domain.errors import ProxyError
from runbooks import services
from runbooks.api import RunOut, found
from runbooks.domain.states import WrongState
from runbooks.texts import UnknownRunbook
from telemetry.patience import patient

router = Router(tags=["runs"])


class PlanOut(Schema):
    """What starting the runbook would do: `stops` says what stands in the way, or nothing."""

    plan: dict[str, Any]
    plan_hash: str
    numbers: dict[str, str]
    says: str
    stops: str


class StartIn(Because):
    """A start of exactly the plan that was shown. `subject` is empty where the runbook is about a tier."""

    tier: str
    subject: str = ""
    plan_hash: str


class ExtendIn(Why):
    """For how many minutes from now its overlays live on."""

    minutes: float


@router.get("/runbooks/{slug}/plan", response=PlanOut)
def plan(request: ApiRequest, slug: str, tier: str, subject: str = "") -> PlanOut:
    """The plan of a start by hand; nothing is written or sent. 422 where it cannot be started, and why."""
    try:
        dry = services.dry_run(
            runbook=slug, tier=tier, subject=subject, metrics=patient(), now=timezone.now()
        )
    except UnknownRunbook as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except (ProxyError, services.CannotStart) as error:
        raise field("subject", str(error)) from error
    return PlanOut(
        plan=dry.plan.as_data(),
        plan_hash=dry.plan.digest,
        numbers=dry.numbers,
        says=dry.says,
        stops=dry.stops,
    )


@router.post("/runbooks/{slug}/runs", response={201: RunOut}, auth=operates)
def start(request: ApiRequest, slug: str, body: StartIn) -> Status[RunOut]:
    """Start it on a target. 409 where the plan has changed, 422 where it cannot be started, and why."""
    try:
        given = body.model_dump()
        number = services.start(runbook=slug, **given, metrics=patient(), by=request.auth, now=timezone.now())
    except UnknownRunbook as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except services.PlanChanged as error:
        raise field("plan_hash", str(error), status=HTTPStatus.CONFLICT) from error
    except (ProxyError, services.CannotStart) as error:
        raise field("subject", str(error)) from error
    return Status(HTTPStatus.CREATED, RunOut.of(found(number)))


@router.post("/runs/{int:run_id}/take", response=RunOut, auth=operates)
def take(request: ApiRequest, run_id: int, body: Why | None = None) -> RunOut:
    """Take the run over: the machine moves it no more, and its overlays stay until they expire."""
    return _done(request, run_id, services.take, body)


@router.post("/runs/{int:run_id}/give-back", response=RunOut, auth=operates)
def give_back(request: ApiRequest, run_id: int, body: Why | None = None) -> RunOut:
    """Give a run that was taken over back to the machine, which looks anew whether it works."""
    return _done(request, run_id, services.give_back, body)


@router.post("/runs/{int:run_id}/extend", response=RunOut, auth=operates)
def extend(request: ApiRequest, run_id: int, body: ExtendIn) -> RunOut:
    """Let the overlays of a run that was taken over live on. 422 past the policy's `longest`."""
    until = timezone.now() + timedelta(minutes=body.minutes)
    return _done(request, run_id, services.extend, body, until=until)


def _done(request: ApiRequest, run_id: int, act: Any, body: Why | None, **more: Any) -> RunOut:
    reason = body.reason if body else ""
    try:
        act(run_id=run_id, by=request.auth, reason=reason, now=timezone.now(), **more)
    except services.UnknownRun as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except WrongState as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except services.TooLong as error:
        raise field("minutes", str(error)) from error
    return RunOut.of(found(run_id))
