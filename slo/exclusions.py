"""Reads what is left out of budgets: corrections, and the maintenance windows that were or are on."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from slo.domain.corrections import Exclusion
from slo.domain.maintenance import following, occurrences
from slo.domain.spans import Span
from slo.models import Correction, Maintenance

SHOWN = 200


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """A span that budgets leave out; one that was taken back says by whom and why.

    Without a route and an objective it is of the whole tier.
    """

    id: int
    tier: str
    route: str
    objective: str
    starts_at: datetime
    ends_at: datetime
    by: str
    reason: str
    created_at: datetime
    removed_at: datetime | None
    removed_by: str
    removed_why: str


@dataclass(frozen=True, slots=True)
class MaintenanceRow:
    """A window in which nobody is told; `rule` is an RRULE of iCalendar, empty for a single one.

    `on` says whether it is on now; `next_at` and `next_until` are that of now or the next one, None when
    there is none any more. One that was ended says by whom and why.
    """

    id: int
    tier: str
    route: str
    objective: str
    starts_at: datetime
    lasts: timedelta
    rule: str
    on: bool
    next_at: datetime | None
    next_until: datetime | None
    by: str
    reason: str
    created_at: datetime
    removed_at: datetime | None
    removed_by: str
    removed_why: str


def exclusions(within: Span) -> list[Exclusion]:
    """All that leaves a part of `within` out of some budget. Two queries."""
    corrected = Correction.objects.standing().within(within)
    return [*(Exclusion(row.scope, (row.span,)) for row in corrected), *maintenance(within)]


def maintenance(within: Span) -> list[Exclusion]:
    """The maintenance of `within` alone. One query."""
    begun = Maintenance.objects.begun(within)
    found = (Exclusion(row.scope, occurrences(row.window, within)) for row in begun)
    return [each for each in found if each.spans]


def corrections(*, tier: str = "", limit: int = SHOWN) -> list[CorrectionRow]:
    """The latest spans first, those that were taken back among them."""
    found = Correction.objects.filter(tier=tier) if tier else Correction.objects.all()
    return [_correction(row) for row in found[:limit]]


def windows(*, now: datetime, tier: str = "", limit: int = SHOWN) -> list[MaintenanceRow]:
    """What is on first, then what comes next, then what is over, the latest first."""
    found = Maintenance.objects.filter(tier=tier) if tier else Maintenance.objects.all()
    rows = [_window(row, now) for row in found[:limit]]
    coming = sorted((row for row in rows if row.next_at), key=lambda row: row.next_at or now)
    return [*coming, *(row for row in rows if row.next_at is None)]


def correction(number: int) -> CorrectionRow:
    """One that is there."""
    return _correction(Correction.objects.get(pk=number))


def window(number: int, *, now: datetime) -> MaintenanceRow:
    """One that is there."""
    return _window(Maintenance.objects.get(pk=number), now)


def _correction(row: Correction) -> CorrectionRow:
    return CorrectionRow(
        id=row.pk,
        tier=row.tier,
        route=row.route,
        objective=row.objective,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        by=row.by,
        reason=row.reason,
        created_at=row.created_at,
        removed_at=row.removed_at,
        removed_by=row.removed_by,
        removed_why=row.removed_why,
    )


def _window(row: Maintenance, now: datetime) -> MaintenanceRow:
    coming = following(row.window, now)
    return MaintenanceRow(
        id=row.pk,
        tier=row.tier,
        route=row.route,
        objective=row.objective,
        starts_at=row.starts_at,
        lasts=row.lasts,
        rule=row.rule,
        on=coming is not None and coming.start <= now,
        next_at=coming.start if coming else None,
        next_until=coming.end if coming else None,
        by=row.by,
        reason=row.reason,
        created_at=row.created_at,
        removed_at=row.removed_at,
        removed_by=row.removed_by,
        removed_why=row.removed_why,
    )
