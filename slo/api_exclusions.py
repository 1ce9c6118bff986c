"""The API of what budgets leave out: corrections of what was, maintenance that is to come."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from django.utils import timezone
from ninja import Field, Router

from access.paging import Limit
from access.permission import ApiRequest, owns
from access.problem import Problem, field
from access.schema import Because
from slo import exclusions, services
from slo.domain.corrections import BadExclusion, Scope
from slo.domain.maintenance import Window
from slo.domain.spans import Span
from slo.exclusions import CorrectionRow, MaintenanceRow

router = Router(tags=["objectives"])


class Scoped(Because):
    """The whole tier, or one route or one objective of it."""

    tier: str = Field(max_length=63)
    route: str = Field("", max_length=120)
    objective: str = Field("", max_length=80)

    @property
    def scope(self) -> Scope:
        return Scope(self.tier, self.route, self.objective)


class CorrectionIn(Scoped):
    """A span that is over."""

    starts_at: datetime
    ends_at: datetime


class MaintenanceIn(Scoped):
    """A window of so many minutes, once, or again by `rule`: an RRULE of iCalendar, in UTC."""

    starts_at: datetime
    minutes: Annotated[int, Field(ge=1, le=7 * 24 * 60)]
    rule: str = Field("", max_length=200, examples=["FREQ=WEEKLY;BYDAY=SU"])


@router.get("/corrections", response=list[CorrectionRow])
def corrections(request: ApiRequest, tier: str = "", limit: Limit = 200) -> list[CorrectionRow]:
    """The latest spans first, those that were taken back among them."""
    return exclusions.corrections(tier=tier, limit=limit)


@router.post("/corrections", response={201: CorrectionRow}, auth=owns)
def correct(request: ApiRequest, body: CorrectionIn) -> CorrectionRow:
    """Leave a span of the past out of budgets. Counts stay, and both figures are shown."""
    span = Span(_zoned("starts_at", body.starts_at), _zoned("ends_at", body.ends_at))
    try:
        made = services.correct(
            scope=body.scope, span=span, by=request.auth, reason=body.reason, now=timezone.now()
        )
    except BadExclusion as error:
        raise field(error.field, str(error)) from error
    return exclusions.correction(made)


@router.post("/corrections/{int:correction_id}/remove", response=CorrectionRow, auth=owns)
def uncorrect(request: ApiRequest, correction_id: int, body: Because) -> CorrectionRow:
    """Count again what it left out. The row stays, with who took it back."""
    try:
        services.uncorrect(
            correction_id=correction_id, by=request.auth, reason=body.reason, now=timezone.now()
        )
    except services.UnknownExclusion as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except services.Settled as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return exclusions.correction(correction_id)


@router.get("/maintenance", response=list[MaintenanceRow])
def maintenance(request: ApiRequest, tier: str = "", limit: Limit = 200) -> list[MaintenanceRow]:
    """What is on first, then what comes next, then what is over."""
    return exclusions.windows(now=timezone.now(), tier=tier, limit=limit)


@router.post("/maintenance", response={201: MaintenanceRow}, auth=owns)
def maintain(request: ApiRequest, body: MaintenanceIn) -> MaintenanceRow:
    """Tell nobody while it is on, and leave its events out of budgets."""
    now = timezone.now()
    window = Window(_zoned("starts_at", body.starts_at), timedelta(minutes=body.minutes), body.rule)
    try:
        made = services.maintain(
            scope=body.scope, window=window, by=request.auth, reason=body.reason, now=now
        )
    except BadExclusion as error:
        raise field(error.field, str(error)) from error
    return exclusions.window(made, now=now)


@router.post("/maintenance/{int:maintenance_id}/remove", response=MaintenanceRow, auth=owns)
def end_maintenance(request: ApiRequest, maintenance_id: int, body: Because) -> MaintenanceRow:
    """End it: from now on there is none any more. What it left out so far stays left out."""
    now = timezone.now()
    try:
        services.end_maintenance(maintenance_id=maintenance_id, by=request.auth, reason=body.reason, now=now)
    except services.UnknownExclusion as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    return exclusions.window(maintenance_id, now=now)


def _zoned(name: str, at: datetime) -> datetime:
    """To the second, as iCalendar's rules are."""
    if at.tzinfo is None:
        raise field(name, "needs a time zone, such as 2026-01-31T12:00:00Z")
    return at.replace(microsecond=0)
