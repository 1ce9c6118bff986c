"""Reads the burn by the hour of many objectives, for the small lines in lists."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from slo.domain.burn import burn
from slo.domain.spans import HOUR, hour_of
from slo.domain.spark import Spark
from slo.models import HourlyCount
from slo.selectors import ObjectiveRow

HOURS = 24


def sparks(rows: Sequence[ObjectiveRow], *, now: datetime) -> Mapping[int, Spark]:
    """The last 24 hours of each, the present one too, by the objective's number. One query, and none of
    Prometheus.
    """
    first = hour_of(now) - timedelta(hours=HOURS - 1)
    targets = {row.id: row.target for row in rows}
    found: dict[int, list[float | None]] = {number: [None] * HOURS for number in targets}
    for counted in HourlyCount.objects.filter(objective__in=targets, hour__gte=first, hour__lte=now):
        place = (counted.hour - first) // HOUR
        burning = burn(counted.counts - counted.excluded, targets[counted.objective_id])
        found[counted.objective_id][place] = None if burning is None else max(0.0, float(burning))
    return {number: Spark(tuple(burns)) for number, burns in found.items()}
