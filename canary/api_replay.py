"""The API of what a rollout was decided by: judged again, and exported whole."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import JsonResponse
from ninja import Router, Schema

from access.permission import ApiRequest
from access.problem import Problem
from canary import exports, replays
from canary.domain.errors import NothingKept, UnknownRollout
from canary.domain.replay import Difference
from canary.replays import FigureRow

router = Router(tags=["rollouts"])


class ReplayOut(Schema):
    """A rollout judged again, as `manage.py judge --rollout` prints it. `same` says that nothing differs.

    `whole`: from its first tick, else from evidence that was kept at `since`. `verdict` and `reason` are
    those of the last tick; `passed_at` the ticks that earned a step or would have.
    """

    rollout: int
    state: str
    recorded_reason: str
    same: bool
    whole: bool
    ticks: int
    since: datetime
    until: datetime
    verdict: str
    reason: str
    metrics: list[FigureRow]
    passed_at: list[datetime]
    differing: int
    differences: list[Difference]


@router.get("/rollouts/{int:rollout_id}/replay", response=ReplayOut)
def replay(request: ApiRequest, rollout_id: int) -> Any:
    """Judge the newest ticks that are kept again, some twenty minutes of them; the command judges all."""
    try:
        return replays.replay(rollout_id, newest=replays.NEWEST)
    except (UnknownRollout, NothingKept) as error:
        raise Problem(HTTPStatus.NOT_FOUND, error.why) from error


@router.get("/rollouts/{int:rollout_id}/export", response=dict[str, Any])
def export(request: ApiRequest, rollout_id: int) -> JsonResponse:
    """Everything of a rollout: arms, evidence by tick, steps with what earned them, plan, transitions."""
    try:
        return JsonResponse(exports.export(rollout_id), encoder=DjangoJSONEncoder)
    except UnknownRollout as error:
        raise Problem(HTTPStatus.NOT_FOUND, error.why) from error
