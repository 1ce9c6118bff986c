"""Events by the hour: counted once, made up for after a stop, and never invented."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.domain.actor import Actor
from slo import services
from slo.domain.corrections import Scope
from slo.domain.spans import DAY, HOUR, Span, hour_of
from slo.models import CountedHour, DailyCount, HourlyCount, Objective, PeriodCount
from slo.services.counting import HOURS_A_TICK, HOURS_KEPT
from telemetry.domain.errors import MetricsUnavailable
from telemetry.domain.series import Sample
from tests.slo.hourly import Hourly, Stretch
from tests.slo.recorded import tier

pytestmark = pytest.mark.django_db
BY = Actor(name="ann", source="cli")
NOW = datetime(2026, 3, 1, 12, 2, tzinfo=UTC)
LAST = hour_of(NOW) - HOUR
MINUTE = timedelta(minutes=1)
SHOP = {"name": "shop", "kind": "route_availability", "route": "shop", "target": 99}


def declare(*objectives: dict[str, object], since: timedelta = 2 * HOUR, routes: int = 1) -> None:
    names = ["shop", *(f"r{i}" for i in range(1, routes))]
    more = [{**SHOP, "name": name, "route": name} for name in names[1:]]
    wanted = tier(*names, objectives=[*(objectives or [SHOP]), *more])
    services.sync(tier=wanted, by=BY, now=NOW - since)


def prometheus(*stretches: Stretch) -> Hourly:
    return Hourly([row.plain() for row in Objective.objects.live()], *stretches)


def steady(start: datetime = NOW - 30 * DAY, end: datetime = NOW + DAY, **more: float) -> Stretch:
    return Stretch(Span(start, end), **more)


def hour(at: datetime = LAST) -> HourlyCount:
    return HourlyCount.objects.get(objective__name="shop", hour=at)


def test_a_full_hour_is_counted_as_of_its_end() -> None:
    declare()
    failing = Stretch(Span(LAST + 30 * MINUTE, LAST + HOUR), rate=10, failing=0.5)

    services.count(metrics=prometheus(steady(end=LAST + 30 * MINUTE), failing, steady(LAST + HOUR)), now=NOW)

    assert (hour().events, hour().bad_backend, hour().bad_proxy) == (1800 + 18_000, 9000, 0)
    assert hour().covered == 3600


def test_the_present_hour_is_counted_so_far_and_then_whole() -> None:
    declare()
    metrics = prometheus(steady())

    services.count(metrics=metrics, now=NOW)
    so_far = hour(LAST + HOUR)
    services.count(metrics=metrics, now=NOW + HOUR)

    assert (so_far.events, so_far.covered) == (120, 120)
    assert (hour(LAST + HOUR).events, hour(LAST + HOUR).covered) == (3600, 3600)


def test_a_late_count_of_a_part_does_not_take_back_what_the_whole_hour_had() -> None:
    declare()
    services.count(metrics=prometheus(steady()), now=NOW)
    services.count(metrics=prometheus(steady()), now=NOW + HOUR)

    services.count(metrics=prometheus(steady(rate=5)), now=NOW)

    assert hour(LAST + HOUR).events == 3600
    assert CountedHour.objects.get(hour=LAST + HOUR).final


def test_counting_again_changes_nothing() -> None:
    declare()
    metrics = prometheus(steady())

    first, again = (services.count(metrics=metrics, now=NOW) for _ in range(2))

    assert (first, again) == (2, 0)
    assert HourlyCount.objects.count() == 3
    assert DailyCount.objects.get().events == 2 * 3600 + 120


def test_hours_that_were_missed_are_made_up_for_the_newest_first() -> None:
    declare(since=40 * HOUR)
    metrics = prometheus(steady())

    services.count(metrics=metrics, now=NOW)
    newest = set(HourlyCount.objects.values_list("hour", flat=True))
    for minutes in (1, 2, 3):
        services.count(metrics=metrics, now=NOW + minutes * MINUTE)

    assert min(newest) == LAST - (HOURS_A_TICK - 1) * HOUR
    assert CountedHour.objects.filter(final=True).count() == 40
    assert DailyCount.objects.get(day=(NOW - DAY).date()).events == 24 * 3600


def test_hours_that_prometheus_no_longer_keeps_are_not_asked_for() -> None:
    declare(since=20 * HOUR)
    metrics = prometheus(steady())
    metrics.kept = 5 * HOUR

    assert services.count(metrics=metrics, now=NOW) == 4


def test_a_gap_is_not_covered_and_not_zero() -> None:
    declare(since=5 * HOUR)
    down = Span(LAST - 2 * HOUR + 45 * MINUTE, LAST)
    metrics = prometheus(steady(end=down.start), steady(down.end))

    services.count(metrics=metrics, now=NOW)

    assert (hour(LAST - 2 * HOUR).covered, hour(LAST - 2 * HOUR).events) == (2700, 2700)
    assert not HourlyCount.objects.filter(hour=LAST - HOUR).exists()
    assert CountedHour.objects.get(hour=LAST - HOUR).final


def test_without_an_answer_nothing_is_written_and_the_next_tick_goes_on() -> None:
    declare()
    metrics = prometheus(steady())
    metrics.fail(MetricsUnavailable("refused"))

    assert services.count(metrics=metrics, now=NOW) == 0
    assert not CountedHour.objects.exists()

    metrics.fail(None)
    assert services.count(metrics=metrics, now=NOW + MINUTE) == 2


def test_what_was_measured_once_stays_when_prometheus_loses_it() -> None:
    declare()
    services.count(metrics=prometheus(steady()), now=NOW + 50 * MINUTE)

    services.count(metrics=prometheus(steady(NOW + 55 * MINUTE)), now=NOW + HOUR)

    assert hour(LAST + HOUR).events == 52 * 60


def test_old_hours_are_forgotten_and_their_days_are_kept() -> None:
    declare()
    services.count(metrics=prometheus(steady()), now=NOW)

    services.count(metrics=prometheus(), now=NOW + HOURS_KEPT + DAY)

    assert not HourlyCount.objects.exists()
    assert DailyCount.objects.get(day=NOW.date()).events == 2 * 3600 + 120


def test_the_number_of_queries_does_not_grow_with_objectives() -> None:
    asked = []
    for routes in (10, 1000):
        declare(routes=routes)
        metrics = prometheus(steady())
        CountedHour.objects.all().delete()
        with CaptureQueriesContext(connection) as captured:
            services.count(metrics=metrics, now=NOW)
        # Rows are written some hundreds at a time.
        others = [q for q in captured.captured_queries if '"slo_' in q["sql"] and "INSERT" not in q["sql"]]
        asked.append((len(others), len(metrics.asked)))

    assert asked[0] == asked[1]


class TestPeriods:
    def period(self) -> PeriodCount:
        return PeriodCount.objects.get(objective__name="shop")

    @pytest.mark.parametrize(
        ("calendar", "start"),
        [("week", datetime(2026, 2, 23, tzinfo=UTC)), ("month", datetime(2026, 3, 1, tzinfo=UTC))],
    )
    def test_a_calendars_period_is_that_of_now(self, calendar: str, start: datetime) -> None:
        declare({**SHOP, "calendar": calendar}, since=20 * HOUR)

        for _ in range(2):
            services.count(metrics=prometheus(steady()), now=NOW)

        known = min(20 * HOUR + 2 * MINUTE, NOW - start)
        assert self.period().start == start
        assert self.period().events == known.total_seconds()

    def test_a_period_that_rolls_forgets_the_hour_that_rolled_out(self) -> None:
        declare({**SHOP, "window_days": 1}, since=30 * HOUR)
        metrics = prometheus(steady())

        for minutes in range(3):
            services.count(metrics=metrics, now=NOW + minutes * MINUTE)

        # From 13:00 of yesterday to 12:04.
        assert self.period().events == 23 * 3600 + 240


class Torn(Hourly):
    """A Prometheus that gives no answer as of some times."""

    torn: frozenset[datetime] = frozenset()

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        if at in self.torn:
            raise MetricsUnavailable("the block is broken")
        return super().vector(promql, at=at)


def torn(*hours: datetime) -> Torn:
    made = Torn([row.plain() for row in Objective.objects.live()], steady())
    made.torn = frozenset(hour + HOUR for hour in hours)
    return made


def test_an_hour_without_an_answer_holds_up_neither_the_present_nor_the_others() -> None:
    declare(since=4 * HOUR)

    assert services.count(metrics=torn(LAST), now=NOW) == 3

    assert hour(LAST + HOUR).events == 120
    assert hour(LAST - HOUR).events == hour(LAST - 2 * HOUR).events == 3600
    assert not HourlyCount.objects.filter(hour=LAST).exists()
    assert services.count(metrics=torn(), now=NOW + MINUTE) == 1
    assert hour(LAST).events == 3600


def test_many_hours_without_an_answer_let_the_others_come_in_time() -> None:
    declare(since=30 * HOUR)
    metrics = torn(*(LAST - i * HOUR for i in range(6)))

    counted = [services.count(metrics=metrics, now=NOW + i * MINUTE) for i in range(6)]

    assert sum(counted) == 24
    assert CountedHour.objects.filter(final=True).count() == 24


def test_a_correction_of_an_hour_without_an_answer_holds_up_no_other() -> None:
    declare(since=4 * HOUR)
    services.count(metrics=torn(), now=NOW)
    for begin in (LAST, LAST - HOUR):
        part = Span(begin + 10 * MINUTE, begin + 20 * MINUTE)
        services.correct(scope=Scope("edge"), span=part, by=BY, reason="a load test", now=NOW)
    metrics = torn()
    metrics.torn = frozenset({LAST + 20 * MINUTE})

    services.count(metrics=metrics, now=NOW + MINUTE)

    assert hour(LAST).stale
    assert hour(LAST - HOUR).excluded_events == 600
    services.count(metrics=torn(), now=NOW + 2 * MINUTE)
    assert hour(LAST).excluded_events == 600
