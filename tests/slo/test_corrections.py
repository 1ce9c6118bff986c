"""Corrections and maintenance: what budgets leave out, shown beside what they would be, and never lost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import alerts.selectors
from audit.domain.actor import Actor
from audit.models import Entry
from slo import selectors, services
from slo.domain.corrections import BadExclusion, Scope
from slo.domain.maintenance import Window
from slo.domain.spans import DAY, HOUR, Span, day_of, hour_of
from slo.models import Correction, DailyCount, HourlyCount, Maintenance, Objective, PeriodCount
from slo.services.counting import HOURS_KEPT
from telemetry.domain.series import Sample
from tests.slo.hourly import Hourly, Stretch
from tests.slo.recorded import NOW as TICKED
from tests.slo.recorded import Traffic, recorded, tier

pytestmark = pytest.mark.django_db
BY = Actor(name="ann", source="web")
NOW = datetime(2026, 3, 1, 12, 2, tzinfo=UTC)
LAST = hour_of(NOW) - HOUR
MINUTE = timedelta(minutes=1)
SHOP = {"name": "shop", "kind": "route_availability", "route": "shop", "target": 99, "calendar": "month"}
GATE = {"name": "gate", "kind": "proxy_availability", "target": 99}
# 5 minutes of a total outage in an hour of otherwise good answers.
BAD = Span(LAST + 10 * MINUTE, LAST + 15 * MINUTE)


@pytest.fixture
def metrics() -> Hourly:
    services.sync(tier=tier(objectives=[SHOP, GATE]), by=BY, now=NOW - 2 * HOUR)
    declared = [row.plain() for row in Objective.objects.live()]
    good = [Stretch(Span(NOW - DAY, BAD.start)), Stretch(Span(BAD.end, NOW + 10 * DAY))]
    metrics = Hourly(declared, *good, Stretch(BAD, failing=1))
    services.count(metrics=metrics, now=NOW)
    return metrics


def correct(span: Span = BAD, scope: Scope | None = None, *, now: datetime = NOW) -> int:
    return services.correct(
        scope=scope or Scope("edge", "shop"), span=span, by=BY, reason="a load test", now=now
    )


def hour(at: datetime = LAST, name: str = "shop") -> HourlyCount:
    return HourlyCount.objects.get(objective__name=name, hour=at)


class Meanwhile(Hourly):
    """Something happens once, while it is asked as of a moment."""

    def __init__(self, like: Hourly, at: datetime, happens: Callable[[], object]) -> None:
        super().__init__(like.of, *like.stretches)
        self.awaited: datetime | None = at
        self.happens = happens

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        if at == self.awaited:
            self.awaited = None
            self.happens()
        return super().vector(promql, at=at)


class TestCorrections:
    def test_one_that_is_made_while_another_is_counted_counts_next(self, metrics: Hourly) -> None:
        correct()
        more = Span(BAD.end, BAD.end + 5 * MINUTE)

        services.count(metrics=Meanwhile(metrics, BAD.end, lambda: correct(more)), now=NOW + MINUTE)
        services.count(metrics=metrics, now=NOW + 2 * MINUTE)

        assert hour().excluded_events == 600

    def test_one_that_is_made_while_its_hour_is_counted_whole_counts_next(self, metrics: Hourly) -> None:
        now, begun = NOW + HOUR, hour_of(NOW)
        first, more = (Span(begun + n * MINUTE, begun + (n + 1) * MINUTE) for n in (0, 1))
        correct(first, now=now)
        meanwhile = Meanwhile(metrics, first.end, lambda: correct(more, now=now))

        services.count(metrics=meanwhile, now=now)
        services.count(metrics=metrics, now=now + MINUTE)

        assert hour(begun).excluded_events == 120

    def test_a_part_of_an_hour_is_left_out_to_the_event(self, metrics: Hourly) -> None:
        correct()

        services.count(metrics=metrics, now=NOW + MINUTE)

        assert (hour().events, hour().bad_backend) == (3600, 300)
        assert (hour().excluded_events, hour().excluded_bad_backend) == (300, 300)
        assert DailyCount.objects.get(objective__name="shop").excluded_bad_backend == 300

    def test_both_budgets_are_shown(self, metrics: Hourly) -> None:
        correct()
        services.count(metrics=metrics, now=NOW + MINUTE)
        asked = recorded(Traffic(), of=metrics.of, scraped=NOW + MINUTE)

        services.tick(metrics=asked, now=NOW + MINUTE)

        row = next(row for row in selectors.objectives() if row.name == "shop")
        everything = 2 * 3600 + 180
        assert (row.total, row.excluded_total, row.excluded_bad) == (everything - 300, 300, 300)
        assert row.left == 1.0
        assert row.left_uncorrected == pytest.approx(1 - 300 / (0.01 * everything))

    def test_two_that_overlap_leave_out_once(self, metrics: Hourly) -> None:
        correct()
        correct(Span(BAD.start, BAD.end + 5 * MINUTE))

        services.count(metrics=metrics, now=NOW + MINUTE)

        assert hour().excluded_events == 600

    def test_a_whole_hour_needs_no_prometheus(self, metrics: Hourly) -> None:
        correct(Span(LAST, LAST + HOUR))
        before = len(metrics.asked)

        services.count(metrics=metrics, now=NOW + MINUTE)

        assert hour().excluded_events == hour().events
        assert len(metrics.asked) == before + 3  # of the present hour

    def test_what_is_taken_back_counts_again_and_stays_on_record(self, metrics: Hourly) -> None:
        number = correct()
        services.count(metrics=metrics, now=NOW + MINUTE)

        services.uncorrect(correction_id=number, by=BY, reason="it was no test", now=NOW + MINUTE)
        services.count(metrics=metrics, now=NOW + 2 * MINUTE)

        assert hour().excluded_events == 0
        held = Correction.objects.get()
        assert (held.reason, held.removed_by, held.removed_why) == ("a load test", "ann", "it was no test")
        assert [e.action for e in Entry.objects.filter(target="edge/route/shop")] == [
            "correction.removed",
            "correction.added",
        ]

    def test_a_routes_correction_leaves_the_tiers_objective_alone(self, metrics: Hourly) -> None:
        correct()

        services.count(metrics=metrics, now=NOW + MINUTE)

        assert hour(name="gate").excluded_events == 0

    def test_a_tiers_correction_is_of_all_its_objectives(self, metrics: Hourly) -> None:
        correct(scope=Scope("edge"))

        services.count(metrics=metrics, now=NOW + MINUTE)

        assert (hour(name="gate").excluded_events, hour().excluded_events) == (300, 300)

    def test_a_part_that_prometheus_no_longer_keeps_is_its_share_of_the_hour_and_says_so(
        self, metrics: Hourly
    ) -> None:
        metrics.kept = 30 * MINUTE

        correct()
        services.count(metrics=metrics, now=NOW + MINUTE)

        assert hour().estimated
        assert (hour().excluded_events, hour().excluded_bad_backend) == (300, 25)

    @pytest.mark.parametrize(
        ("span", "scope", "field"),
        [
            (Span(BAD.end, BAD.start), Scope("edge"), "ends_at"),
            (Span(BAD.start, NOW + HOUR), Scope("edge"), "ends_at"),
            (Span(NOW - 40 * DAY, NOW), Scope("edge"), "ends_at"),
            (Span(NOW - 110 * DAY, NOW - 109 * DAY), Scope("edge"), "starts_at"),
            (BAD, Scope("nowhere"), "tier"),
            (BAD, Scope("edge", "nothing"), "route"),
            (BAD, Scope("edge", "", "nothing"), "objective"),
            (BAD, Scope("edge", "shop", "shop"), "objective"),
        ],
    )
    def test_what_makes_no_sense_is_refused_at_its_field(
        self, metrics: Hourly, span: Span, scope: Scope, field: str
    ) -> None:
        with pytest.raises(BadExclusion) as refused:
            correct(span, scope)

        assert refused.value.field == field
        assert not Correction.objects.exists()

    def test_what_is_settled_cannot_be_taken_back(self, metrics: Hourly) -> None:
        number = correct()

        with pytest.raises(services.Settled, match="settled by the day"):
            services.uncorrect(correction_id=number, by=BY, reason="late", now=NOW + HOURS_KEPT)


def maintain(window: Window, scope: Scope | None = None, *, now: datetime = NOW) -> int:
    return services.maintain(
        scope=scope or Scope("edge", "shop"), window=window, by=BY, reason="new disks", now=now
    )


class TestMaintenance:
    def test_its_events_are_left_out(self, metrics: Hourly) -> None:
        now = NOW + HOUR
        maintain(Window(hour_of(now) - 30 * MINUTE, 10 * MINUTE))

        services.count(metrics=metrics, now=now)

        assert hour(hour_of(now) - HOUR).excluded_events == 600

    def test_in_the_present_hour_they_are_left_out_at_once(self, metrics: Hourly) -> None:
        maintain(Window(NOW, HOUR))

        services.count(metrics=metrics, now=NOW + 3 * MINUTE)

        assert (hour(LAST + HOUR).events, hour(LAST + HOUR).excluded_events) == (300, 180)

    def test_ending_it_keeps_what_was_left_out_so_far(self, metrics: Hourly) -> None:
        number = maintain(Window(NOW, HOUR))

        services.end_maintenance(maintenance_id=number, by=BY, reason="done early", now=NOW + 3 * MINUTE)
        services.count(metrics=metrics, now=NOW + 10 * MINUTE)

        assert hour(LAST + HOUR).excluded_events == 180
        assert Maintenance.objects.get().removed_by == "ann"
        assert Entry.objects.filter(action="maintenance.ended").exists()


BURNING = Traffic(backend=0.5)


def ticked(*traffic: Traffic, after: timedelta) -> Any:
    declared = [row.plain() for row in Objective.objects.live()]
    metrics = recorded(*traffic, of=declared, scraped=TICKED + after)
    services.tick(metrics=metrics, now=TICKED + after)
    return next(row for row in selectors.objectives() if row.name == "shop")


@pytest.fixture
def declared() -> None:
    services.sync(tier=tier(objectives=[SHOP, GATE]), by=BY, now=TICKED)


@pytest.mark.usefixtures("declared")
class TestQuiet:
    def test_nobody_is_told_while_maintenance_is_on_and_the_page_says_so(self) -> None:
        maintain(Window(TICKED, HOUR), now=TICKED)

        row = ticked(BURNING, after=MINUTE)

        assert not row.firing
        assert not alerts.selectors.open_incidents()
        assert row.maintained_until == TICKED + HOUR
        assert "in maintenance until 2026-03-01 13:00 UTC" in row.why
        assert row.burn_1h == pytest.approx(50)

    def test_what_still_burns_when_the_window_ends_fires_then(self) -> None:
        maintain(Window(TICKED, HOUR), now=TICKED)
        ticked(BURNING, after=HOUR - MINUTE)

        row = ticked(BURNING, after=HOUR)

        assert row.firing
        assert row.fired_at == TICKED + HOUR
        assert len(alerts.selectors.open_incidents()) == 1

    def test_what_fired_before_goes_on_and_ends_as_ever(self) -> None:
        ticked(BURNING, after=timedelta(0))
        maintain(Window(TICKED + MINUTE, HOUR), now=TICKED + MINUTE)

        goes_on = ticked(BURNING, after=2 * MINUTE).firing
        over = ticked(Traffic(), after=3 * MINUTE)

        assert goes_on
        assert not over.firing
        assert not alerts.selectors.open_incidents()

    def test_another_route_is_told_as_ever(self) -> None:
        services.sync(
            tier=tier("shop", "pay", objectives=[SHOP, {**SHOP, "name": "pay", "route": "pay"}]),
            by=BY,
            now=TICKED,
        )
        maintain(Window(TICKED, HOUR), Scope("edge", "pay"), now=TICKED)

        assert ticked(BURNING, after=MINUTE).firing

    def test_a_window_that_repeats_is_quiet_each_time(self) -> None:
        maintain(Window(TICKED + DAY, HOUR, "FREQ=DAILY"), now=TICKED)

        told = [ticked(BURNING, after=after).firing for after in (3 * DAY + MINUTE, 3 * DAY + HOUR)]

        assert told == [False, True]


@pytest.mark.usefixtures("declared")
class TestPeriods:
    """What a tick takes from the counts."""

    def counted(self, name: str, days: float, **figures: float) -> None:
        one = Objective.objects.get(name=name)
        PeriodCount.objects.create(
            objective=one,
            start=TICKED.replace(day=1, hour=0),
            end=TICKED,
            counted_at=TICKED,
            covered=days * 86_400,
            **figures,
        )

    def tick(self, age: timedelta, backend: float = 0) -> dict[str, Any]:
        declared = [row.plain() for row in Objective.objects.live()]
        metrics = recorded(Traffic(backend=backend), of=declared, age=age)
        services.tick(metrics=metrics, now=TICKED)
        return {row.name: row for row in selectors.objectives()}

    def test_where_prometheus_is_younger_than_a_rolling_period_the_counts_fill_in(self) -> None:
        self.counted("gate", 20, events=1000.0, bad_proxy=5.0)

        young = self.tick(DAY)["gate"]

        assert (young.total, young.left) == (1000, 0.5)
        assert young.coverage == pytest.approx(20 / 30)

    def test_where_prometheus_knows_as_much_it_is_asked_and_only_what_is_left_out_is_counted(self) -> None:
        self.counted("gate", 20, events=1000.0, excluded_events=400.0, excluded_bad_proxy=3.0)

        row = self.tick(20 * DAY)["gate"]

        assert (row.total, row.excluded_total, row.excluded_bad) == (20 * 86_400 * 100 - 400, 400, 3)

    def test_counts_that_stopped_an_hour_ago_are_no_counts(self) -> None:
        self.counted("shop", 10, events=1000.0)
        PeriodCount.objects.update(counted_at=TICKED - 2 * HOUR)

        assert self.tick(DAY)["shop"].total is None

    def test_a_calendars_budget_is_gone_within_the_period_or_not_at_all(self) -> None:
        # Half of the events' budget is left after half a day of 31: 99.2 % of the month's.
        self.counted("shop", 0.5, events=1000.0, bad_backend=5.0)

        slow, fast = (self.tick(DAY, backend=share)["shop"].exhausted_in for share in (0.01, 0.02))

        assert slow is None
        assert fast == pytest.approx(31 * DAY * (1 - 0.5 * 0.5 / 31) / 2, abs=HOUR)


def test_hours_are_kept_by_whole_days() -> None:
    assert day_of(NOW - HOURS_KEPT) + HOURS_KEPT == day_of(NOW)
