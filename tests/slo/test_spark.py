"""The small lines of burn in lists."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from slo.domain.spark import Spark
from slo.models import HourlyCount, Objective
from slo.selectors import row_of
from slo.sparks import sparks

NOW = datetime(2026, 3, 1, 12, 20, tzinfo=UTC)


def test_a_burn_of_one_is_at_half_of_the_height() -> None:
    assert Spark((1.0, 0.0, 3.0)).path == "M0.0 12.0L47.0 23.0L94.0 6.5"


def test_what_was_not_measured_is_a_gap_and_an_hour_alone_a_dash() -> None:
    assert Spark((1.0, None, 1.0, 1.0)).path == "M0.0 12.0h2M62.7 12.0L94.0 12.0"


def test_without_a_measurement_there_is_no_line() -> None:
    nothing = Spark((None, None))

    assert (nothing.path, nothing.most) == ("", None)


@pytest.mark.django_db
def test_an_hour_burns_as_its_counts_say_without_what_is_excluded() -> None:
    row = Objective.objects.create(
        tier="edge",
        name="a",
        kind="proxy_availability",
        target=Decimal("0.99"),
        created_at=NOW,
        changed_at=NOW,
    )
    for back, bad, excluded in ((0, 3, 0), (1, 10, 8), (30, 50, 0)):
        hour = NOW.replace(minute=0) - timedelta(hours=back)
        HourlyCount.objects.create(
            objective=row,
            hour=hour,
            events=100 + excluded,
            bad_proxy=bad,
            excluded_events=excluded,
            excluded_bad_proxy=excluded,
        )

    found = sparks([row_of(row)], now=NOW)[row.pk]

    assert found.burns == (*[None] * 22, pytest.approx(2), pytest.approx(3))
