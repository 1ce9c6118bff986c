"""One round of the runbooks: look at everything, then take each open run as far as it goes."""

import logging
import time
from datetime import datetime

import alerts.services
import proxy.selectors
from proxy.ports import ProxyAdmin
from runbooks import texts
from runbooks.domain.measures import Measure
from runbooks.services import conducting, detecting
from runbooks.services.conducting import Key
from runbooks.services.looking import EVERY, Round
from runbooks.services.measuring import Answers
from telemetry.ports import Metrics

log = logging.getLogger(__name__)
# Teams' own look last, and no more of them once a tier has taken so long: runs are to be reverted in time.
PATIENCE_SECONDS = 4.0


def tick(*, metrics: Metrics, admin: ProxyAdmin, now: datetime) -> None:
    """Lost, doubled or late rounds change nothing: each move is conditional on what it was decided on."""
    measures: dict[Key, Measure] = {}
    for row in proxy.selectors.tiers():
        measures |= _looks(row.name, metrics, now)
    round = Round(now, admin)
    token, runs = conducting.claim(round)
    try:
        conducting.remember(runs, measures, round)
        for run in runs:
            try:
                conducting.advance(run, conducting.of(run, measures, round), round)
            except Exception:
                # One run that fails must not keep the others from being reverted in time.
                log.exception("run %s could not go on", run.pk)
    finally:
        conducting.release(token)
    alerts.services.beat(name="runbooks", now=now, every=EVERY)


def _looks(name: str, metrics: Metrics, now: datetime) -> dict[Key, Measure]:
    """One tier or runbook that cannot be looked at must not keep the others, nor any run, from going on."""
    try:
        tier = proxy.selectors.desired(name, now=now)
    except Exception:
        log.exception("tier %s could not be looked at", name)
        return {}
    answers, found, began = Answers(metrics, name, now), dict[Key, Measure](), time.monotonic()
    for slug, definition in texts.automated().items():
        if slug not in texts.built_in() and time.monotonic() - began > PATIENCE_SECONDS:
            log.warning("runbook %s did not look at tier %s: others took too long", slug, name)
            continue
        try:
            looked = detecting.look(slug, definition, tier=tier, answers=answers)
        except Exception:
            log.exception("runbook %s could not look at tier %s", slug, name)
            continue
        found |= {(name, slug, subject): measure for subject, measure in looked.items()}
    return found
