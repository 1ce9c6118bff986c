"""One round of the runbooks: look at everything, then take each open run as far as it goes."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

import alerts.services
import proxy.selectors
from proxy.ports import ProxyAdmin
from runbooks.domain.retry_storm import Measure
from runbooks.models import Run
from runbooks.services import conducting, detecting
from telemetry.ports import Metrics

EVERY = timedelta(seconds=3)

log = logging.getLogger(__name__)


def tick(*, metrics: Metrics, admin: ProxyAdmin, now: datetime) -> None:
    """Lost, doubled or late rounds change nothing: each move is conditional on what it was decided on."""
    measures: dict[str, dict[str, Measure]] = {}
    for row in proxy.selectors.tiers():
        try:
            measures[row.name] = detecting.look(row.name, metrics=metrics, now=now)
        except Exception:
            # One tier that cannot be looked at must not keep the others, nor any run, from going on.
            log.exception("tier %s could not be looked at", row.name)
    for run in Run.objects.open().order_by("id"):
        measure = _of(run, measures, now)
        try:
            conducting.advance(run.pk, measure=measure, admin=admin, now=now)
        except Exception:
            # One run that fails must not keep the others from being reverted in time.
            log.exception("run %s could not go on", run.pk)
    alerts.services.beat(name="runbooks", now=now, every=EVERY)


def _of(run: Run, measures: Mapping[str, Mapping[str, Measure]], now: datetime) -> Measure:
    if run.tier not in measures:
        return Measure(at=now, why_no_data="the tier was not looked at")
    return measures[run.tier].get(run.route) or Measure(at=now, why_no_data="the route is gone")
