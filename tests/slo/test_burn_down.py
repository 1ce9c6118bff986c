"""How a budget came to be what it is, day by day, and when it will be gone."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from audit.domain.actor import Actor
from slo import services
from slo.domain.burn import Counts
from slo.domain.calendar import month, period
from slo.domain.forecast import From, forecast, forecasts, of_whole
from slo.domain.history import Day, burn_down, filled
from slo.domain.spans import DAY, HOUR
from slo.history import history
from slo.models import Budget, DailyCount, Objective
from slo.selectors import UnknownObjective
from tests.slo.recorded import only, tier

FIRST = date(2026, 2, 25)
NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
BY = Actor(name="ann", source="cli")


def day(number: int, bad: int = 0, events: int = 1000, left_out: int = 0) -> Day:
    excluded = Counts(Decimal(left_out), bad_backend=Decimal(left_out))
    return Day(
        FIRST + timedelta(days=number), Counts(Decimal(events), bad_backend=Decimal(bad)), excluded, DAY
    )


def left(points: Any) -> list[float | None]:
    return [None if p.left is None else round(float(p.left), 3) for p in points]


class TestBurnDown:
    def test_a_rolling_period_gets_back_what_rolls_out(self) -> None:
        one = only("route_availability", "0.99", period=timedelta(days=2))

        assert left(burn_down(one, [day(0, 5), day(1), day(2), day(3, 20)])) == [0.5, 0.75, 1.0, 0.0]

    def test_a_calendars_period_begins_anew(self) -> None:
        one = only("route_availability", "0.99", calendar="month")
        # The fourth day after 25 February is the first of March.
        days = [day(n, 10 if n < 4 else 0) for n in range(6)]

        assert left(burn_down(one, days)) == [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]

    def test_what_is_left_out_is_told_apart(self) -> None:
        one = only("route_availability", "0.99")

        (point,) = burn_down(one, [day(0, 10, events=1010, left_out=10)])

        assert point.left == 1
        assert float(point.left_uncorrected or 0) == pytest.approx(1 - 10 / 10.1)

    def test_days_that_nobody_measured_have_no_events_and_no_share(self) -> None:
        one = only("route_availability", "0.99", period=DAY)

        days = filled([day(0, 5), day(2)], FIRST, FIRST + 2 * DAY)

        assert left(burn_down(one, days)) == [0.5, None, 1.0]
        assert [each.measured for each in days] == [DAY, timedelta(0), DAY]


class TestForecast:
    def test_the_range_is_from_the_fastest_to_the_slowest_burn(self) -> None:
        start = From(Decimal("0.5"), 30 * DAY, 30 * DAY)

        found = forecasts(start, {HOUR: Decimal(30), 6 * HOUR: Decimal(10), 3 * DAY: Decimal(1)})

        assert found is not None
        assert (found.soonest, found.latest) == (12 * HOUR, 15 * DAY)

    def test_a_burn_that_does_not_spend_it_has_no_end(self) -> None:
        found = forecasts(
            From(Decimal("0.5"), 30 * DAY, 30 * DAY), {HOUR: Decimal(30), 6 * HOUR: Decimal("0.1")}
        )

        assert found is not None
        assert (found.soonest, found.latest) == (12 * HOUR, None)

    def test_a_calendar_ends_before_it_is_gone(self) -> None:
        start = From(Decimal("0.5"), 30 * DAY, ahead=10 * DAY)

        assert forecast(start, Decimal("1.4")) is None
        assert forecast(start, Decimal("1.5")) == 10 * DAY

    def test_early_in_a_month_most_of_its_budget_is_still_to_come(self) -> None:
        assert of_whole(Decimal("0.4"), Decimal(1) / 3) == pytest.approx(Decimal("0.8"))
        assert of_whole(Decimal("-3"), Decimal("0.01")) == 0

    def test_nothing_known_forecasts_nothing(self) -> None:
        assert forecasts(From(Decimal(1), DAY, DAY), {HOUR: None}) is None
        assert forecasts(None, {HOUR: Decimal(1)}) is None


class TestCalendar:
    @pytest.mark.parametrize(
        ("kind", "start", "end"),
        [
            ("week", (2026, 3, 2), (2026, 3, 9)),
            ("month", (2026, 3, 1), (2026, 4, 1)),
            ("quarter", (2026, 1, 1), (2026, 4, 1)),
        ],
    )
    def test_a_period_holds_its_instant(self, kind: Any, start: Any, end: Any) -> None:
        found = period(kind, NOW)

        assert (found.start.date(), found.end.date()) == (date(*start), date(*end))

    def test_the_last_quarter_ends_with_the_year(self) -> None:
        assert period("quarter", datetime(2026, 12, 31, 23, 59, tzinfo=UTC)).end.year == 2027

    @pytest.mark.parametrize(
        "text", ["2026-13", "2026-3", "03-2026", "2026-03-01", "", "\uff12026-03", "0000-01"]
    )
    def test_what_is_no_month_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="a month is written like 2026-03"):
            month(text)


@pytest.mark.django_db
class TestSelector:
    def objective(self, **more: Any) -> Objective:
        shop = {"name": "shop", "kind": "route_availability", "route": "shop", "target": 99, **more}
        services.sync(tier=tier(objectives=[shop]), by=BY, now=NOW - 9 * DAY)
        return Objective.objects.get()

    def test_a_point_a_day_and_where_it_goes(self) -> None:
        one = self.objective()
        for ago, bad in ((2, 0), (1, 10), (0, 0)):
            DailyCount.objects.create(
                objective=one, day=(NOW - ago * DAY).date(), events=1000, bad_proxy=bad, covered=43_200
            )
        burns = [{"window": w, "burn": b} for w, b in (("1h", 20.0), ("6h", 10.0), ("3d", 0.1))]
        Budget.objects.create(objective=one, since=NOW, looked_at=NOW, left=0.5, coverage=0.1, windows=burns)

        found = history(one.pk, now=NOW, days=3)

        assert [point.left for point in found.points] == [None, 1.0, 0.5, pytest.approx(2 / 3)]
        assert found.points[2].bad_proxy == 10
        assert found.points[2].coverage == 0.5
        assert found.forecast is not None
        assert found.forecast.soonest == NOW + 18 * HOUR
        assert found.forecast.latest is None
        assert [burn.window for burn in found.forecast.by_burn] == ["1h", "6h", "3d"]

    def test_a_calendars_forecast_ends_with_its_period(self) -> None:
        one = self.objective(calendar="week")
        burns = [{"window": "1h", "burn": 1.0}]
        Budget.objects.create(objective=one, since=NOW, looked_at=NOW, left=0.9, coverage=0.5, windows=burns)

        found = history(one.pk, now=NOW)

        assert found.end == datetime(2026, 3, 9, tzinfo=UTC)
        assert found.forecast is not None
        assert found.forecast.soonest is None
        assert found.forecast.left == 0.95

    def test_an_objective_that_is_not_there_is_named(self) -> None:
        with pytest.raises(UnknownObjective, match="no objective 7"):
            history(7, now=NOW)
