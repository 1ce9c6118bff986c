"""One round of the runbooks: look at everything, then take each open run as far as it goes."""

import logging
from datetime import datetime, timedelta

import alerts.services
from proxy.ports import ProxyAdmin
from runbooks.domain.retry_storm import Measure
from runbooks.models import Run
from runbooks.services import conducting, detecting
from telemetry.ports import Metrics

EVERY = timedelta(seconds=3)

log = logging.getLogger(__name__)


def tick(*, metrics: Metrics, admin: ProxyAdmin, now: datetime) -> None:
    """Lost, doubled or late rounds change nothing: each move is conditional on what it was decided on."""
    measures = detecting.look(metrics=metrics, now=now)
    for run in Run.objects.open().order_by("id"):
        measure = measures.get((run.tier, run.route)) or Measure(at=now, why_no_data="the route is gone")
        try:
            conducting.advance(run.pk, measure=measure, admin=admin, now=now)
        except Exception:
            # One run that fails must not keep the others from being reverted in time.
            log.exception("run %s could not go on", run.pk)
    alerts.services.beat(name="runbooks", now=now, every=EVERY)
