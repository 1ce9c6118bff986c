"""The API of what was: a budget's history with its forecast, and an owner's months."""

from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from django.utils import timezone
from ninja import Field, Router, Schema

from access.permission import ApiRequest
from access.problem import Problem
from slo import history, reports
from slo.domain.report import LeftOut, Line, Report, SpentBy
from slo.history import History
from slo.reports import OwnerRow
from slo.selectors import UnknownObjective

router = Router(tags=["objectives"])
SHARES = ("achieved", "achieved_uncorrected", "spent", "spent_proxy", "spent_backend", "spent_other")
"""Of a line; None is no data."""


class IncidentOut(Schema):
    """An incident that spent a budget. `spent` is the share of the month's budget that its hours took."""

    id: int
    title: str
    fired_at: datetime
    until: datetime
    spent: float | None

    @classmethod
    def of(cls, each: SpentBy) -> "IncidentOut":
        return cls(
            id=each.incident_id,
            title=each.title,
            fired_at=each.span.start,
            until=each.span.end,
            spent=_plain(each.spent),
        )


class LeftOutOut(Schema):
    """A correction, or maintenance that was on `times` times between its first start and its last end."""

    kind: str
    scope: str
    starts_at: datetime
    ends_at: datetime
    times: int
    by: str
    reason: str

    @classmethod
    def of(cls, each: LeftOut) -> "LeftOutOut":
        return cls(
            kind=each.kind,
            scope=each.scope,
            starts_at=each.span.start,
            ends_at=each.span.end,
            times=each.times,
            by=each.by,
            reason=each.reason,
        )


class LineOut(Schema):
    """One objective's month. Shares are 0 to 1; null is no data. `kept` and `spent` are without what was left
    out, `uncorrected` is with it.
    """

    objective_id: int
    tier: str
    name: str
    promise: str
    target: float
    achieved: float | None
    achieved_uncorrected: float | None
    kept: bool | None
    spent: float | None
    spent_proxy: float | None
    spent_backend: float | None
    spent_other: float | None
    events: float
    bad: float
    excluded_events: float
    excluded_bad: float
    measured: timedelta
    incidents: list[IncidentOut]
    left_out: list[LeftOutOut]

    @classmethod
    def of(cls, line: Line) -> "LineOut":
        return cls(
            objective_id=line.objective_id,
            tier=line.objective.tier,
            name=line.objective.name,
            promise=line.promise,
            target=float(line.objective.target),
            kept=line.kept,
            events=float(line.corrected.total),
            bad=float(line.corrected.bad),
            excluded_events=float(line.excluded.total),
            excluded_bad=float(line.excluded.bad),
            measured=line.measured,
            incidents=[IncidentOut.of(each) for each in line.incidents],
            left_out=[LeftOutOut.of(each) for each in line.left_out],
            **{name: _plain(getattr(line, name)) for name in SHARES},
        )


class ReportOut(Schema):
    """An owner's month, known until `until`."""

    owner: str
    month: str
    until: datetime
    so_far: bool
    lines: list[LineOut]


@router.get("/objectives/{int:objective_id}/history", response=History)
def budget_history(
    request: ApiRequest, objective_id: int, days: Annotated[int, Field(ge=1, le=400)] = history.SHOWN
) -> History:
    """The budget left at the end of each day, and when it will be gone."""
    try:
        return history.history(objective_id, now=timezone.now(), days=days)
    except UnknownObjective as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error


@router.get("/reports", response=list[OwnerRow])
def owners(request: ApiRequest) -> list[OwnerRow]:
    """Who owns objectives, and the months that were counted; `-` are those that nobody owns."""
    return reports.owners(now=timezone.now())


@router.get("/reports/{path:owner}/{month}", response=ReportOut)
def report(request: ApiRequest, owner: str, month: str) -> ReportOut:
    """A month (`2026-03`) of what an owner's objectives promised and kept, and what spent their budgets.

    What stands before the last slash is the owner, slashes too: `/reports/team/shop/2026-03`.
    """
    found = _found(owner, month)
    return ReportOut(
        owner=found.owner,
        month=found.name,
        until=found.until,
        so_far=found.so_far,
        lines=[LineOut.of(line) for line in found.lines],
    )


def _found(owner: str, month: str) -> Report:
    try:
        return reports.report(owner, month, now=timezone.now())
    except reports.UnknownReport as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error


def _plain(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
