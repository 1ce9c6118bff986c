"""The API of objectives."""

from http import HTTPStatus
from typing import Annotated, Literal

from django.http import HttpResponse
from ninja import Field, Query, Router, Schema

from access.paging import Limit
from access.permission import ApiRequest
from access.problem import Problem
from slo import listing, selectors
from slo.domain.wanted import Sort, Wanted
from slo.selectors import ObjectiveDetail, ObjectiveRow

router = Router(tags=["objectives"])
TOTAL = "X-Total-Count"


class ObjectivesAsked(Schema):
    """Which objectives, in what order; what is not given narrows nothing. Without a limit all are told."""

    text: str = Field(
        "", max_length=200, description="words in the name, description, tier, route, upstream or owner"
    )
    tier: str = ""
    route: str = ""
    upstream: str = ""
    kind: str = ""
    sli: str = Field("", description="the label `sli` of the recorded series, such as added_latency:3000")
    owner: str = ""
    severity: Literal["", "page", "ticket"] = ""
    state: Literal["", "ok", "burning", "spent", "no_data"] = ""
    sort: Sort = Field("name", description="the least budget left first, the fastest burn first, or by name")
    limit: Limit | None = None
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    @property
    def wanted(self) -> Wanted:
        """Without what cuts the list."""
        return Wanted(**self.model_dump(exclude={"limit", "offset"}))


@router.get("/objectives", response=list[ObjectiveRow])
def objectives(
    request: ApiRequest, response: HttpResponse, asked: Query[ObjectivesAsked]
) -> list[ObjectiveRow]:
    """Objectives with their latest budget and burn; null is no data. How many there are, whatever the limit,
    is the header `X-Total-Count`.
    """
    found = listing.listed(asked.wanted, offset=asked.offset, limit=asked.limit)
    response[TOTAL] = str(found.total)
    return found.rows


@router.get("/objectives/{int:objective_id}", response=ObjectiveDetail)
def objective(request: ApiRequest, objective_id: int) -> ObjectiveDetail:
    """One objective with its windows and alert tiers."""
    try:
        return selectors.objective(objective_id)
    except selectors.UnknownObjective as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
