"""Reads what reports are made of: a month of the objectives that somebody owns."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.db.models import Count, Min, Q, Sum

import alerts.selectors
from alerts.rows import AlertRow
from slo.domain import calendar
from slo.domain.burn import NOTHING, Counts
from slo.domain.maintenance import occurrences
from slo.domain.report import NOBODY, LeftOut, Line, Report, SpentBy, share_of_budget
from slo.domain.spans import HOUR, Span, hour_of
from slo.models import Correction, DailyCount, HourlyCount, Maintenance, Objective
from slo.models.counts import FIGURES
from slo.services.names import RULE, TICKET_RULE

TOLD = (RULE, TICKET_RULE)


class UnknownReport(LookupError):
    """There is no such report: what is there."""


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """Somebody who owns objectives, as addresses write the name, and the months that were counted."""

    owner: str
    objectives: int
    months: tuple[str, ...]


def owners(*, now: datetime) -> list[OwnerRow]:
    """Who owns objectives that are declared now; those that nobody owns come last. Two queries."""
    first = DailyCount.objects.aggregate(first=Min("day"))["first"]
    found = Objective.objects.live().values_list("owner").annotate(n=Count("pk")).order_by("owner")
    months = _months(first, now)
    return sorted(
        (OwnerRow(owner or NOBODY, n, months) for owner, n in found), key=lambda r: r.owner == NOBODY
    )


def _months(first: date | None, now: datetime) -> tuple[str, ...]:
    """The newest first, a year of them at most."""
    found: list[str] = []
    at = calendar.period("month", now)
    while len(found) < 12 and first is not None and at.end.date() > first:
        found.append(f"{at.start:%Y-%m}")
        at = calendar.period("month", at.start - HOUR)
    return tuple(found)


def report(owner: str, month: str, *, now: datetime) -> Report:
    """The month (`2026-03`, UTC) of what `owner` owns now, or owned when it was retired, by today's targets.

    Six queries, whatever the number of objectives. Raises UnknownReport.
    """
    try:
        span = calendar.month(month)
    except ValueError as error:
        raise UnknownReport(str(error)) from error
    if span.start > now:
        raise UnknownReport(f"{month} is still to come")
    held = Objective.objects.filter(owner="" if owner == NOBODY else owner, created_at__lt=span.end)
    rows = list(held.filter(Q(retired_at=None) | Q(retired_at__gt=span.start)))
    if not rows:
        raise UnknownReport(f"{owner} owned no objective in {month}")
    lines = _Lines(rows, span, now)
    return Report(owner, span, min(span.end, now), tuple(lines.line(row) for row in rows))


class _Lines:
    """What a month's lines are made of, read at once for all objectives."""

    def __init__(self, rows: Sequence[Objective], month: Span, now: datetime) -> None:
        self._month, self._until = month, min(month.end, now)
        self._days = _days(rows, month)
        self._fired = _fired(month)
        burnt = [row.pk for row in rows if (row.tier, row.name) in self._fired]
        self._hours = _hours(burnt, month)
        self._left_out = [(row.scope, each) for row, each in _left_out(Span(month.start, self._until))]

    def line(self, row: Objective) -> Line:
        plain, known = row.plain(), self._days.get(row.pk) or DailyCount()
        line = Line(row.pk, plain, known.counts, known.excluded, known.measured)
        fired = self._fired.get((row.tier, row.name), {})
        return replace(
            line,
            incidents=tuple(self._spent(row, line, number, each) for number, each in fired.items()),
            left_out=tuple(each for scope, each in self._left_out if scope.covers(plain)),
        )

    def _spent(self, row: Objective, line: Line, number: int, fired: Sequence[AlertRow]) -> SpentBy:
        """What the hours of one incident's alerts took. An alert is told after its cause began: the hour
        before is one of them.
        """
        ends = [each.resolved_at or self._until for each in fired]
        span = Span(fired[0].first_seen, max(ends))
        during = Span(hour_of(span.start) - HOUR, span.end)
        hours = [counts for hour, counts in self._hours.get(row.pk, ()) if during.start <= hour < during.end]
        spent = share_of_budget(sum(hours, NOTHING), of=line.corrected, target=row.target) if hours else None
        return SpentBy(number, fired[0].summary, span, spent)


def _days(rows: Sequence[Objective], month: Span) -> Mapping[int, DailyCount]:
    """The month of each objective as if it were one day."""
    days = DailyCount.objects.filter(
        objective__in=rows, day__gte=month.start.date(), day__lt=month.end.date()
    )
    sums = days.values("objective_id").annotate(**{name: Sum(name) for name in FIGURES}).order_by()
    return {row["objective_id"]: DailyCount(**row) for row in sums}


def _fired(month: Span) -> Mapping[tuple[str, str], Mapping[int, list[AlertRow]]]:
    """By tier and objective: each incident's alerts, the first one first."""
    found: dict[tuple[str, str], dict[int, list[AlertRow]]] = defaultdict(lambda: defaultdict(list))
    for alert in alerts.selectors.fired(rules=TOLD, since=month.start, until=month.end):
        if alert.incident_id is not None:  # what fired has one
            of = (alert.labels.get("tier", ""), alert.labels.get("objective", ""))
            found[of][alert.incident_id].append(alert)
    return found


def _hours(objectives: Sequence[int], month: Span) -> Mapping[int, list[tuple[datetime, Counts]]]:
    """The hours of those that burnt, with what counts of them."""
    found: dict[int, list[tuple[datetime, Counts]]] = defaultdict(list)
    hours = HourlyCount.objects.filter(objective__in=objectives, hour__gte=month.start, hour__lt=month.end)
    for row in hours if objectives else ():
        found[row.objective_id].append((row.hour, row.counts - row.excluded))
    return found


def _left_out(known: Span) -> Iterable[tuple[Correction | Maintenance, LeftOut]]:
    for row in Correction.objects.standing().within(known):
        yield row, LeftOut("correction", str(row.scope), row.span, 1, row.by, row.reason)
    for window in Maintenance.objects.begun(known):
        if spans := occurrences(window.window, known):
            whole = Span(spans[0].start, spans[-1].end)
            yield (
                window,
                LeftOut("maintenance", str(window.scope), whole, len(spans), window.by, window.reason),
            )
