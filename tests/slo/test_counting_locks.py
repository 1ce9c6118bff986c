"""Counting beside another count and beside a correction: nothing is lost."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from audit.domain.actor import Actor
from slo import services
from slo.domain.corrections import Scope
from slo.domain.spans import HOUR, Span, day_of, hour_of
from slo.models import CountedHour, DailyCount, HourlyCount, Objective
from slo.services.tallying import roll
from tests.slo.hourly import Hourly, Stretch
from tests.slo.recorded import tier
from tests.support.rivals import Rival, two_writers

pytestmark = [two_writers, pytest.mark.django_db(transaction=True)]

NOW = datetime(2026, 3, 1, 12, 2, tzinfo=UTC)
LAST = hour_of(NOW) - HOUR
MINUTE = timedelta(minutes=1)
BY = Actor("ann", "web")
SHOP = {"name": "shop", "kind": "route_availability", "route": "shop", "target": 99}


@pytest.fixture
def metrics() -> Hourly:
    services.sync(tier=tier(objectives=[SHOP]), by=BY, now=NOW - 2 * HOUR)
    declared = [row.plain() for row in Objective.objects.live()]
    return Hourly(declared, Stretch(Span(NOW - 9 * HOUR, NOW + HOUR)))


def test_two_that_count_hours_of_one_day_add_up_both(metrics: Hourly) -> None:
    CountedHour.objects.create(hour=day_of(NOW), at=NOW)
    in_its_first_hour = LAST - HOUR + 30 * MINUTE
    rival = Rival(lambda: services.count(metrics=metrics, now=in_its_first_hour))
    with transaction.atomic():
        CountedHour.objects.select_for_update().get(hour=day_of(NOW))
        HourlyCount.objects.create(objective=Objective.objects.get(), hour=LAST - 5 * HOUR, events=1000)
        roll(NOW.date())
        rival.start()
        rival.until_it_waits()
    assert rival.ended() is None
    assert DailyCount.objects.get().events == 1000 + 1800


def test_a_correction_that_is_written_beside_a_count_counts_next(metrics: Hourly) -> None:
    services.count(metrics=metrics, now=NOW)
    HourlyCount.objects.filter(hour=LAST).update(stale=True)
    rival = Rival(lambda: services.count(metrics=metrics, now=NOW + MINUTE))
    with transaction.atomic():
        services.correct(
            scope=Scope("edge"), span=Span(LAST, LAST + 10 * MINUTE), by=BY, reason="a load test", now=NOW
        )
        rival.start()
        rival.until_it_waits()
    assert rival.ended() is None
    services.count(metrics=metrics, now=NOW + 2 * MINUTE)
    assert HourlyCount.objects.get(hour=LAST).excluded_events == 600
