"""Describes drills for pages: what each is for, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max

from runbooks.domain.drills import LOST, lost
from runbooks.models import DrillReport


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One drill. `found` is `Outcome.as_data()`; None while it is under way, or when it broke off."""

    id: int
    name: str
    runbook: str
    by: str
    under_way: bool
    doing: str
    started_at: datetime
    ended_at: datetime | None
    defence_held: bool | None
    runbook_held: str
    trouble: str
    found: dict[str, Any] | None

    @property
    def held(self) -> bool:
        """Both did: the defence, and the runbook where one is meant to."""
        return self.defence_held is True and self.runbook_held in ("yes", "none")


def report(number: int, *, now: datetime) -> ReportRow | None:
    """One report with what it found; None when there is none."""
    row = DrillReport.objects.filter(pk=number).first()
    return None if row is None else _row(row, now)


def reports(*, runbook: str, now: datetime, limit: int = 5) -> list[ReportRow]:
    """The newest of a runbook, without what they found."""
    return [_row(row, now) for row in DrillReport.objects.defer("found").filter(runbook=runbook)[:limit]]


def latest(*, now: datetime) -> dict[str, ReportRow]:
    """The newest report of each drill by its name, without what it found."""
    newest = DrillReport.objects.order_by().values("name").annotate(newest=Max("pk")).values("newest")
    return {row.name: _row(row, now) for row in DrillReport.objects.defer("found").filter(pk__in=newest)}


def under_way(*, now: datetime) -> ReportRow | None:
    """The one that goes on now."""
    row = DrillReport.objects.defer("found").filter(lock__isnull=False).first()
    found = None if row is None else _row(row, now)
    return found if found is not None and found.under_way else None


def _row(row: DrillReport, now: datetime) -> ReportRow:
    died = row.lock is not None and lost(row.seen_at, now=now)
    return ReportRow(
        id=row.pk,
        name=row.name,
        runbook=row.runbook,
        by=row.by,
        under_way=row.lock is not None and not died,
        doing=row.doing,
        started_at=row.started_at,
        ended_at=row.ended_at,
        defence_held=row.defence_held,
        runbook_held=row.runbook_held,
        trouble=LOST if died else row.trouble,
        found=None if "found" in row.get_deferred_fields() else row.found,
    )
