"""The API of objectives."""

from http import HTTPStatus

from ninja import Router

from access.permission import ApiRequest
from access.problem import Problem
from slo import selectors
from slo.selectors import ObjectiveDetail, ObjectiveRow

router = Router(tags=["objectives"])


@router.get("/objectives", response=list[ObjectiveRow])
def objectives(request: ApiRequest, tier: str = "") -> list[ObjectiveRow]:
    """Objectives with their latest budget and burn; null is no data."""
    return selectors.objectives(tier or None)


@router.get("/objectives/{int:objective_id}", response=ObjectiveDetail)
def objective(request: ApiRequest, objective_id: int) -> ObjectiveDetail:
    """One objective with its windows and alert tiers."""
    try:
        return selectors.objective(objective_id)
    except selectors.UnknownObjective as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
