"""Reads the burn by the hour of many objectives, for the small lines in lists."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import F

from slo.domain.spans import HOUR, hour_of
from slo.domain.spark import Spark
from slo.models import HourlyCount
from slo.selectors import ObjectiveRow

HOURS = 24
COUNTED = F("events") - F("excluded_events")
BAD = (
    F("bad_proxy") + F("bad_backend") + F("bad_other")
    - F("excluded_bad_proxy") - F("excluded_bad_backend") - F("excluded_bad_other")
)  # fmt: skip


def sparks(rows: Sequence[ObjectiveRow], *, now: datetime) -> Mapping[int, Spark]:
    """The last 24 hours of each, the present one too, by the objective's number. One query, and none of
    Prometheus. Floats: a line of 24 pixels needs no exact decimals, and a list has thousands of hours.
    """
    first = hour_of(now) - timedelta(hours=HOURS - 1)
    allowed = {row.id: float(1 - row.target) for row in rows}
    found: dict[int, list[float | None]] = {number: [None] * HOURS for number in allowed}
    counted = HourlyCount.objects.filter(objective__in=allowed, hour__gte=first, hour__lte=now)
    for number, hour, events, bad in counted.values_list("objective_id", "hour", COUNTED, BAD):
        if events > 0:
            found[number][(hour - first) // HOUR] = max(0.0, bad / events / allowed[number])
    return {number: Spark(tuple(burns)) for number, burns in found.items()}
