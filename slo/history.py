"""Reads how a budget came to be what it is, and when it will be gone: what a burn-down draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from slo.counted import running
from slo.domain.forecast import RECENT, From, forecasts, of_whole
from slo.domain.history import Day, burn_down, filled
from slo.domain.objectives import Objective as Plain
from slo.domain.spans import DAY
from slo.models import Budget, DailyCount, Objective
from slo.selectors import UnknownObjective
from telemetry.domain.promql import duration

SHOWN = 90
FORMULA = "1 - bad / ((1 - target) x events), over the period's days up to each"


@dataclass(frozen=True, slots=True)
class PointRow:
    """One day: what was counted of it (with what is excluded), and the budget left at its end.

    Shares are 0 to 1, `left` below 0 past the end; None without an event. `coverage` is the measured share
    of the day.
    """

    day: date
    left: float | None
    left_uncorrected: float | None
    events: float
    bad_proxy: float
    bad_backend: float
    bad_other: float
    excluded_events: float
    excluded_bad: float
    coverage: float


@dataclass(frozen=True, slots=True)
class BurnRow:
    """When the budget is gone if it burns on as over `window`; None: not within the period."""

    window: str
    burn: float
    gone_in: timedelta | None
    gone_at: datetime | None


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """When the budget is gone: as a range, and by each recent burn. None: not within the period.

    It starts from `left`, the share of the whole period's budget.
    """

    left: float
    soonest: datetime | None
    latest: datetime | None
    by_burn: tuple[BurnRow, ...]


@dataclass(frozen=True, slots=True)
class History:
    """A burn-down: a point a day up to today, and where it goes. `start` and `end` are of the period that
    runs now; one that rolls ends now. Without a budget or a burn there is no forecast.
    """

    objective_id: int
    start: datetime
    end: datetime
    points: tuple[PointRow, ...]
    forecast: ForecastRow | None
    formula: str


def history(objective_id: int, *, now: datetime, days: int = SHOWN) -> History:
    """The last `days` days and today. Two queries. Raises UnknownObjective."""
    record = Objective.objects.select_related("budget").filter(pk=objective_id).first()
    if record is None:
        raise UnknownObjective(f"there is no objective {objective_id}")
    plain, span = record.plain(), running(record.plain(), now)
    first = now.date() - timedelta(days=days)
    known = DailyCount.objects.filter(objective=record, day__gte=first - (plain.period + 3 * DAY))
    counted = filled([day_of(row) for row in known], min([first, *(row.day for row in known)]), now.date())
    points = [point for point in burn_down(plain, counted) if point.day.day >= first]
    return History(
        objective_id=record.pk,
        start=span.start,
        end=span.end,
        points=tuple(_point(point.day, point.left, point.left_uncorrected) for point in points),
        forecast=_forecast(plain, getattr(record, "budget", None), now),
        formula=FORMULA,
    )


def day_of(row: DailyCount) -> Day:
    """A day as the domain knows it."""
    return Day(row.day, row.counts, row.excluded, row.measured)


def _point(day: Day, left: Decimal | None, uncorrected: Decimal | None) -> PointRow:
    return PointRow(
        day=day.day,
        left=None if left is None else float(left),
        left_uncorrected=None if uncorrected is None else float(uncorrected),
        events=float(day.counts.total),
        bad_proxy=float(day.counts.bad_proxy),
        bad_backend=float(day.counts.bad_backend),
        bad_other=float(day.counts.bad_other),
        excluded_events=float(day.excluded.total),
        excluded_bad=float(day.excluded.bad),
        coverage=min(day.measured / DAY, 1.0),
    )


def _forecast(plain: Plain, held: Budget | None, now: datetime) -> ForecastRow | None:
    """From the last look: its budget and its burns."""
    if held is None or held.left is None:
        return None
    start, burns = _start(plain, held, now), _burns(held)
    found = forecasts(start, burns)
    if found is None:
        return None
    return ForecastRow(
        left=float(start.left),
        soonest=_at(now, found.soonest),
        latest=_at(now, found.latest),
        by_burn=tuple(
            BurnRow(duration(span), float(burns[span] or 0), gone, _at(now, gone))
            for span, gone in found.by_burn.items()
        ),
    )


def _start(plain: Plain, held: Budget, now: datetime) -> From:
    left, span = Decimal(str(held.left)), running(plain, now)
    if plain.calendar is None:
        return From(left, plain.period, plain.period)
    return From(of_whole(left, Decimal(str(held.coverage or 0))), span.length, span.end - now)


def _burns(held: Budget) -> Mapping[timedelta, Decimal | None]:
    known = {fact["window"]: fact["burn"] for fact in held.windows}
    burns = {span: known.get(duration(span)) for span in RECENT}
    return {span: None if burn is None else Decimal(str(burn)) for span, burn in burns.items()}


def _at(now: datetime, gone: timedelta | None) -> datetime | None:
    return None if gone is None else now + gone
