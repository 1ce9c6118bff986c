"""The API of a run's steps: what came of each, and what a person says of them."""

from datetime import datetime
from http import HTTPStatus
from typing import Literal

from django.utils import timezone
from ninja import Router, Schema

from access.permission import ApiRequest, operates
from access.problem import Problem
from access.schema import Because, Why
from runbooks import performed, selectors, services
from runbooks.domain.states import WrongState

router = Router(tags=["runs"])


class ActOut(Schema):
    """One step of a run that is no overlay, or its undo (`phase`), with what came of it."""

    place: int
    phase: str
    kind: str
    words: str
    state: str
    answer: str
    attempts: int
    intended_at: datetime
    ended_at: datetime | None
    until: datetime | None
    question: str
    unknown: bool


class AnswerIn(Why):
    """The answer to the question of the step at `place`."""

    place: int
    answer: Literal["yes", "no"]


class SettleIn(Because):
    """What became of a call whose outcome is unknown."""

    place: int
    phase: Literal["do", "undo"] = "do"
    became: Literal["happened", "not_happened"]


@router.get("/runs/{int:run_id}/acts", response=list[ActOut])
def acts(request: ApiRequest, run_id: int) -> list[performed.ActRow]:
    """What the run did besides its overlays, in the order in which it was begun."""
    if selectors.run(run_id) is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no run {run_id}.")
    return performed.acts(run_id)


@router.post("/runs/{int:run_id}/answer", response=list[ActOut], auth=operates)
def answer(request: ApiRequest, run_id: int, body: AnswerIn) -> list[performed.ActRow]:
    """Answer the run's question. 409 where it asks nothing there, or no longer."""
    try:
        services.answer(
            run_id=run_id,
            place=body.place,
            yes=body.answer == "yes",
            by=request.auth,
            reason=body.reason,
            now=timezone.now(),
        )
    except services.UnknownRun as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except (WrongState, services.NothingAsked) as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return performed.acts(run_id)


@router.post("/runs/{int:run_id}/settle", response=list[ActOut], auth=operates)
def settle(request: ApiRequest, run_id: int, body: SettleIn) -> list[performed.ActRow]:
    """Say what became of a call. 409 where its outcome is not unknown."""
    try:
        services.settle(run_id=run_id, **body.model_dump(), by=request.auth, now=timezone.now())
    except services.UnknownRun as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except services.NothingAsked as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return performed.acts(run_id)
