"""What people leave out of budgets: corrections of what was, maintenance that is to come. Counts stay."""

from datetime import datetime, timedelta

from django.db import transaction

import audit.services
from audit.domain.actor import Actor
from slo.domain import corrections
from slo.domain import maintenance as windows
from slo.domain.corrections import BadExclusion, Scope
from slo.domain.maintenance import Window
from slo.domain.spans import Span, day_of, hour_of
from slo.models import Correction, CountedHour, HourlyCount, Maintenance, Objective
from slo.services.counting import HOURS_KEPT


class UnknownExclusion(LookupError):
    """There is no correction, or no maintenance window, with this number."""


class Settled(ValueError):
    """It cannot be taken back any more, and why."""


@transaction.atomic
def correct(*, scope: Scope, span: Span, by: Actor, reason: str, now: datetime) -> int:
    """Leave a span of the past out of the budgets of what the scope covers. Returns its number.

    The counts stay as they are: what is left out is counted at the next tick of the counts, and shown beside
    them. Raises BadExclusion.
    """
    _check(scope, reason)
    corrections.check(span, now=now, kept=_kept(now))
    made = Correction.objects.create(
        tier=scope.tier,
        route=scope.route,
        objective=scope.objective,
        starts_at=span.start,
        ends_at=span.end,
        by=by.name,
        reason=reason,
        created_at=now,
    )
    _count_again(scope, span)
    _record(made, "correction.added", by=by, reason=reason, now=now)
    return made.pk


@transaction.atomic
def uncorrect(*, correction_id: int, by: Actor, reason: str, now: datetime) -> None:
    """Count again what a correction left out; its row stays, with who took it back. Idempotent.

    Raises UnknownExclusion, BadExclusion without a reason, and Settled when its hours are kept no more.
    """
    held = Correction.objects.select_for_update().filter(pk=correction_id).first()
    if held is None:
        raise UnknownExclusion(f"there is no correction {correction_id}")
    if held.removed_at is not None:
        return
    if held.starts_at < _kept(now):
        raise Settled(
            f"its hours are kept no more: what was before {_kept(now):%Y-%m-%d} is settled by the day"
        )
    _take_back(held, by=by, reason=reason, now=now)
    _count_again(held.scope, held.span)
    _record(held, "correction.removed", by=by, reason=reason, now=now)


@transaction.atomic
def maintain(*, scope: Scope, window: Window, by: Actor, reason: str, now: datetime) -> int:
    """Tell nobody of what the scope covers while the window is on, and leave its events out of the budgets.

    Returns its number. Raises BadExclusion.
    """
    _check(scope, reason)
    windows.check(window, now=now)
    made = Maintenance.objects.create(
        tier=scope.tier,
        route=scope.route,
        objective=scope.objective,
        starts_at=window.start,
        lasts=window.lasts,
        rule=window.rule,
        by=by.name,
        reason=reason,
        created_at=now,
    )
    _record(made, "maintenance.added", by=by, reason=reason, now=now)
    return made.pk


@transaction.atomic
def end_maintenance(*, maintenance_id: int, by: Actor, reason: str, now: datetime) -> None:
    """From now on there is no such window; what it left out so far stays left out. Idempotent.

    Raises UnknownExclusion, and BadExclusion without a reason.
    """
    held = Maintenance.objects.select_for_update().filter(pk=maintenance_id).first()
    if held is None:
        raise UnknownExclusion(f"there is no maintenance window {maintenance_id}")
    if held.removed_at is not None:
        return
    _take_back(held, by=by, reason=reason, now=now)
    _record(held, "maintenance.ended", by=by, reason=reason, now=now)


def _take_back(held: Correction | Maintenance, *, by: Actor, reason: str, now: datetime) -> None:
    if not reason.strip():
        raise BadExclusion("reason", "say why: the record keeps it")
    held.removed_at, held.removed_by, held.removed_why = now, by.name, reason
    held.save(update_fields=["removed_at", "removed_by", "removed_why"])


def _check(scope: Scope, reason: str) -> None:
    """There is something that it would leave out, and somebody says why."""
    if not reason.strip():
        raise BadExclusion("reason", "say why: the record keeps it")
    if scope.route and scope.objective:
        raise BadExclusion("objective", "name a route or an objective: an objective has its route")
    live = Objective.objects.live().filter(tier=scope.tier)
    if not live.exists():
        raise BadExclusion("tier", f"no tier {scope.tier!r} has objectives")
    if scope.route and not live.filter(route=scope.route).exists():
        raise BadExclusion("route", f"no objective of {scope.tier} is of a route {scope.route!r}")
    if scope.objective and not live.filter(name=scope.objective).exists():
        raise BadExclusion("objective", f"{scope.tier} has no objective {scope.objective!r}")


def _count_again(scope: Scope, span: Span) -> None:
    covered = {"objective__tier": scope.tier}
    if scope.route:
        covered["objective__route"] = scope.route
    if scope.objective:
        covered["objective__name"] = scope.objective
    within = {"hour__gte": hour_of(span.start), "hour__lt": span.end}
    # Counting locks the hour that it writes: it sees this correction, or this sees what it wrote.
    list(CountedHour.objects.select_for_update().filter(**within).order_by("hour"))
    HourlyCount.objects.filter(**within, **covered).update(stale=True)


def _kept(now: datetime) -> datetime:
    """Since when every hour of a day is kept; a day more than is forgotten, which may happen at any tick."""
    return day_of(now - HOURS_KEPT) + timedelta(days=1)


def _record(made: Correction | Maintenance, action: str, *, by: Actor, reason: str, now: datetime) -> None:
    if isinstance(made, Correction):
        when = {"from": made.starts_at.isoformat(), "to": made.ends_at.isoformat()}
    else:
        minutes = str(made.lasts // timedelta(minutes=1))
        when = {"from": made.starts_at.isoformat(), "minutes": minutes, "rule": made.rule}
    detail = {"number": made.pk, **when}
    audit.services.record(by=by, action=action, target=str(made.scope), reason=reason, now=now, detail=detail)
