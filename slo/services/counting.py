"""Counts the events of every objective by the hour, so that they outlive what Prometheus keeps."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property

from django.db import transaction
from django.db.models import Min

import alerts.services
from audit.domain.actor import Actor
from slo.domain import objectives
from slo.domain.burn import NOTHING, Counts
from slo.domain.corrections import Exclusion, excluded
from slo.domain.counting import SETTLES, SHORTEST, queries
from slo.domain.looks import share
from slo.domain.readings import Readings, read
from slo.domain.spans import DAY, HOUR, Span, day_of, hour_of, hours
from slo.exclusions import exclusions
from slo.models import CountedHour, HourlyCount, Objective
from slo.models.counts import COUNTED, EXCLUDED, FIGURES
from slo.services.names import BY
from slo.services.tallying import renew, roll
from telemetry.domain.errors import MetricsError
from telemetry.ports import Metrics

logger = logging.getLogger(__name__)
HEARTBEAT = "counts"
EVERY = timedelta(minutes=1)
HOURS_KEPT = 100 * DAY
"""Longer than a quarter: older hours are forgotten, their days are kept."""
HOURS_A_TICK = 12
"""After a stop, or a correction, hours are counted so many at a time, the newest first."""
FAILURES_A_TICK = 2
"""Each may have waited for Prometheus as long as it may take."""
AGAIN = timedelta(minutes=10)
"""For so long an hour of which Prometheus gave no answer comes after the others."""
BATCH = 500

Declared = Mapping[int, objectives.Objective]
"""The objectives that are counted, by their row's number."""


def count(*, metrics: Metrics, now: datetime, by: Actor = BY) -> int:
    """Count each full hour once, the present one so far, and again what was corrected. Returns how many full
    hours were counted.

    Three queries an hour, as of its end, whatever the number of objectives. Hours that were missed are made
    up for as far back as Prometheus keeps samples; one of which it gives no answer holds up neither the
    present nor the others, and is tried again later. Without any answer nothing is written and the next tick
    goes on. Idempotent.
    """
    alerts.services.beat(name=HEARTBEAT, now=now, every=EVERY)
    now = now.replace(microsecond=0)
    rows = Objective.objects.live().filter(problem="")
    counter = _Counter(metrics, {row.pk: row.plain() for row in rows}, now)
    try:
        counter.count(Span(hour_of(now), now), final=False)
        counter.catch_up()
        counter.recount()
    except MetricsError as error:
        logger.warning("the hours could not be counted: %s", error.message)
    _forget(now)
    renew(now)
    return counter.counted


class _Counter:
    """One tick's counting; `counted` is how many full hours were."""

    def __init__(self, metrics: Metrics, declared: Declared, now: datetime) -> None:
        self._metrics, self._declared, self._now = metrics, declared, now
        self._read: dict[Span, Readings] = {}
        self._failed = self.counted = 0

    def catch_up(self) -> None:
        """Count the hours that are over and were not counted."""
        for hour in self._missing()[:HOURS_A_TICK]:
            with self._unanswered(hour):
                self.count(Span(hour, hour + HOUR), final=True)
                self.counted += 1

    def _missing(self) -> list[datetime]:
        """The newest first, and last those of which Prometheus gave no answer a while ago."""
        first = Objective.objects.live().aggregate(first=Min("created_at"))["first"]
        if first is None:
            return []
        since = max(hour_of(first), day_of(self._now - HOURS_KEPT))
        done = set(CountedHour.objects.filter(final=True, hour__gte=since).values_list("hour", flat=True))
        missing = [hour for hour in hours(since, self._now - SETTLES) if hour not in done]
        return self._in_turn(hour for hour in missing if hour >= self._kept) if missing else []

    def _in_turn(self, found: Iterable[datetime]) -> list[datetime]:
        late = CountedHour.objects.filter(failed_at__gt=self._now - AGAIN)
        put_off = set(late.values_list("hour", flat=True))
        return sorted(found, key=lambda hour: (hour not in put_off, hour), reverse=True)

    @contextmanager
    def _unanswered(self, hour: datetime) -> Iterator[None]:
        """Puts an hour of which Prometheus gives no answer off, so that it holds up no other. Raises
        MetricsError when that was one too many: then it may not be the hour.
        """
        try:
            yield
        except MetricsError as error:
            self._failed += 1
            CountedHour.objects.get_or_create(hour=hour, defaults={"at": self._now})
            CountedHour.objects.filter(hour=hour).update(failed_at=self._now)
            if self._failed >= FAILURES_A_TICK:
                raise
            logger.warning("the hour of %s could not be counted: %s", hour, error.message)

    @cached_property
    def _kept(self) -> datetime:
        """Since when Prometheus keeps samples."""
        kept = self._metrics.retention()
        return self._now - (HOURS_KEPT if kept is None else kept)

    def count(self, span: Span, *, final: bool) -> None:
        """Count one hour, or its part so far."""
        if span.length < SHORTEST or not self._declared:
            return
        readings = self._ask(span)
        found = [row for pk in self._declared if (row := self._row(pk, span, readings))]
        left_out = exclusions(span)
        for row in found:
            self._exclude(row, self._declared[row.objective_id], span, left_out)
        with transaction.atomic():
            if _claim(span.start, final=final, now=self._now):
                _recheck(found, span, left_out)
                _write(span.start, found)
                roll(span.start.date())

    def _row(self, pk: int, span: Span, readings: Readings) -> HourlyCount | None:
        """None where nothing was recorded: that is not covered, and not zero."""
        one = self._declared[pk]
        counts = readings.counts(one, span.length)
        if counts is None:
            return None
        covered = float(readings.covered(one.tier, span.length) or 0) * span.length.total_seconds()
        figures = _figures(COUNTED, counts)
        return HourlyCount(objective_id=pk, hour=span.start, covered=covered, **figures)

    def _exclude(
        self, row: HourlyCount, one: objectives.Objective, span: Span, left_out: Sequence[Exclusion]
    ) -> None:
        """Say what of an hour is left out: all of it, or the parts, which Prometheus is asked for."""
        total, row.estimated, row.stale = NOTHING, False, False
        for part in excluded(one, left_out, span):
            known = row.counts if part == span else self._counts(one, part)
            row.estimated |= known is None
            total += row.counts * share(part.length, span.length) if known is None else known
        for name, value in _figures(EXCLUDED, total).items():
            setattr(row, name, value)

    def _counts(self, one: objectives.Objective, part: Span) -> Counts | None:
        """The events of a part of an hour; None where Prometheus cannot tell any more."""
        if part.start < self._kept or part.length < SHORTEST:
            return None
        return self._ask(part).counts(one, part.length) or NOTHING

    def recount(self) -> None:
        """Say anew what is left out of the hours whose corrections changed, of retired objectives, too."""
        stale = HourlyCount.objects.filter(stale=True).values_list("hour", flat=True)
        for hour in self._in_turn(stale.distinct().order_by())[:HOURS_A_TICK]:
            with self._unanswered(hour):
                self._recount(hour)

    def _recount(self, hour: datetime) -> None:
        span = Span(hour, min(hour + HOUR, self._now))
        left_out = exclusions(span)
        found = list(HourlyCount.objects.filter(stale=True, hour=hour).select_related("objective"))
        for row in found:
            self._exclude(row, row.objective.plain(), span, left_out)
        with transaction.atomic():
            _lock(hour, self._now)
            _recheck(found, span, left_out)
            _upsert(found, EXCLUDED)
            roll(hour.date())

    def _ask(self, span: Span) -> Readings:
        """What was recorded in a span, each asked once."""
        if span not in self._read:
            asked, at = queries(span.length), span.end
            self._read[span] = read(
                events=self._metrics.vector(asked.events, at=at),
                bad=self._metrics.vector(asked.bad, at=at),
                coverage=self._metrics.vector(asked.coverage, at=at),
                scraped=(),
            )
        return self._read[span]


def _figures(names: Sequence[str], counts: Counts) -> dict[str, float]:
    values = (counts.total, counts.bad_proxy, counts.bad_backend, counts.bad_other)
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _claim(hour: datetime, *, final: bool, now: datetime) -> bool:
    """Whether this count of the hour may be written: not after one that knew all of it."""
    held = _lock(hour, now)
    if held.final:
        return False
    held.final, held.at = final, now
    held.save(update_fields=["final", "at"])
    return True


def _lock(hour: datetime, now: datetime) -> CountedHour:
    """The hour, and first its day by that one's first hour: two that count hours of one day would each add it
    up without the other's.
    """
    for each in (day_of(hour), hour):
        CountedHour.objects.get_or_create(hour=each, defaults={"at": now})
        held = CountedHour.objects.select_for_update().get(hour=each)
    return held


def _recheck(rows: Iterable[HourlyCount], span: Span, left_out: Sequence[Exclusion]) -> None:
    """Whoever corrected since `left_out` was read, as while Prometheus was asked, said that these hours are
    stale: they stay so, or that correction would never count. The hour is locked, as it is to correct it.
    """
    if exclusions(span) != left_out:
        for row in rows:
            row.stale = True


def _write(hour: datetime, found: Sequence[HourlyCount]) -> None:
    """What was measured once stays, should Prometheus have lost it since."""
    known = dict(HourlyCount.objects.filter(hour=hour).values_list("objective_id", "covered"))
    _upsert([row for row in found if row.covered >= known.get(row.objective_id, 0)], FIGURES)


def _upsert(rows: Sequence[HourlyCount], fields: Sequence[str]) -> None:
    """Write these fields of hours that may be there already, some hundreds at a time."""
    HourlyCount.objects.bulk_create(
        rows,
        BATCH,
        update_conflicts=True,
        unique_fields=["objective", "hour"],
        update_fields=[*fields, "stale", "estimated"],
    )


def _forget(now: datetime) -> None:
    """Whole days at a time, so that no day is added up from a part of its hours."""
    oldest = day_of(now - HOURS_KEPT)
    HourlyCount.objects.filter(hour__lt=oldest).delete()
    CountedHour.objects.filter(hour__lt=oldest).delete()
