"""One round: take back what is to be taken back, look at everything, take each open run as far as it goes."""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime

import alerts.services
from proxy.ports import ProxyAdmin
from runbooks.models import Run
from runbooks.services import conducting
from runbooks.services.guarding import going_on
from runbooks.services.looking import EVERY, Round
from runbooks.services.patience import Patience
from runbooks.services.seeing import Seen
from telemetry.ports import Metrics

log = logging.getLogger(__name__)


def tick(
    *, metrics: Metrics, admin: ProxyAdmin, now: datetime, clock: Callable[[], float] = time.monotonic
) -> None:
    """Lost, doubled or late rounds change nothing: each move is conditional on what it was decided on.

    `clock` counts the seconds that Prometheus takes. Whatever it takes, what acts is taken back in time.
    """
    _take_back(Round(now, admin))
    seen = Seen(metrics, now, Patience(clock=clock))
    seen.look()
    # What was read before may be old by now.
    _go_on(seen, Round(now, admin))
    alerts.services.beat(name="runbooks", now=now, every=EVERY)


def _take_back(round: Round) -> None:
    token, runs = conducting.claim(round, tuple(conducting.UNLOOKED))
    try:
        _each(runs, lambda run: conducting.take_back(run, round))
    finally:
        conducting.release(token)


def _go_on(seen: Seen, round: Round) -> None:
    token, runs = conducting.claim(round)
    try:
        measures = seen.of(runs)
        conducting.remember(runs, measures, round)
        wanting = [run for run in runs if run.state not in conducting.DONE_UNLOOKED]
        _each(wanting, lambda run: conducting.advance(run, measures[run.pk], round))
    finally:
        conducting.release(token)


def _each(runs: Iterable[Run], move: Callable[[Run], None]) -> None:
    """One run that fails must not keep the others from being reverted in time."""
    for run in runs:
        with going_on(log, "run %s could not go on", run.pk):
            move(run)
