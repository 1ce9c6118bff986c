"""Publishes the Prometheus rules that the objectives need, and sees to it that Prometheus runs just those."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

import alerts.services
import audit.services
from audit.domain.actor import Actor
from slo.domain import drift, rules
from slo.models import Objective
from slo.services.names import BY
from telemetry.domain.errors import MetricsError
from telemetry.ports import Metrics
from telemetry.rulefiles import Away, NotPublished, RuleFiles

RULES_RULE = "rules_not_published"
DRIFT_RULE = "rules_drift"
RUNBOOK = "rules-not-loaded"
SHOWN = 3


def rule_file() -> str:
    """The Prometheus rules that the declared objectives need."""
    declared = [row.plain() for row in Objective.objects.live().filter(problem="")]
    return rules.render(declared, site=settings.BASE_URL)


def drifted(*, metrics: Metrics) -> list[str]:
    """How the rules that Prometheus runs differ from `rule_file`, and which of ours fail. Raises Away."""
    return _differing(rule_file(), metrics)


def _differing(text: str, metrics: Metrics) -> list[str]:
    try:
        loaded = metrics.rules()
        return [*drift.differences(text, loaded, metrics.formatted), *drift.failing(loaded)]
    except MetricsError as error:
        raise Away(f"Prometheus gave no answer: {error.message}") from error


def publish_rules(*, files: RuleFiles, metrics: Metrics, by: Actor = BY, now: datetime) -> bool:
    """Have Prometheus run the rules that the objectives need. False when it does already.

    A file that is in place may not be what runs: a reload got lost, or somebody's edit was loaded meanwhile.
    Raises `telemetry.rulefiles.NotPublished`; Prometheus then has the rules that it had before.
    """
    return _publish(rule_file(), files=files, metrics=metrics, by=by, now=now)


def _publish(text: str, *, files: RuleFiles, metrics: Metrics, by: Actor, now: datetime) -> bool:
    try:
        runs = not drift.differences(text, metrics.rules(), metrics.formatted)
    except MetricsError as error:
        raise Away(f"Prometheus gave no answer: {error.message}") from error
    before = files.current(rules.FILE)
    if before == text and runs:
        return False
    files.publish(rules.FILE, text)
    if before != text:
        audit.services.record(
            by=by,
            action="rules.published",
            target=rules.FILE,
            reason="the objectives need it",
            now=now,
        )
    return True


def keep_rules(*, files: RuleFiles, metrics: Metrics, by: Actor = BY, now: datetime) -> bool:
    """`publish_rules`, and tell when Prometheus refuses or runs others. True when it runs these now.

    The objectives may change meanwhile: what is asked is whether what was published runs.
    """
    text = rule_file()
    try:
        _publish(text, files=files, metrics=metrics, by=by, now=now)
        found = _differing(text, metrics)
    except Away:
        return False
    except NotPublished as error:
        _refused(str(error), by=by, now=now)
        return False
    where = {"part": rules.FILE}
    alerts.services.clear(rule=RULES_RULE, labels=where, why="the rules are loaded", by=by, now=now)
    if found:
        _differ(found, by=by, now=now)
        return False
    why = "Prometheus runs the rules of the objectives and no others in their groups"
    alerts.services.clear(rule=DRIFT_RULE, labels=where, why=why, by=by, now=now)
    return True


def _refused(reason: str, *, by: Actor, now: datetime) -> None:
    alerts.services.signal(
        rule=RULES_RULE,
        labels={"part": rules.FILE},
        severity="ticket",
        originator="unknown",
        summary="Prometheus does not run the rules that the objectives need",
        numbers={"reason": reason[:300]},
        action="Prometheus keeps the rules that it has; this is tried again each minute.",
        runbook=RUNBOOK,
        cause="automation",
        by=by,
        now=now,
    )


def _differ(found: Sequence[str], *, by: Actor, now: datetime) -> None:
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    alerts.services.signal(
        rule=DRIFT_RULE,
        labels={"part": rules.FILE},
        severity="ticket",
        originator="unknown",
        summary="Prometheus runs other rules than the objectives need, or some of them fail",
        numbers={"differs": "; ".join([*found[:SHOWN], *more])[:900]},
        action="The rules were loaded again and still differ: `manage.py rules --check` lists how.",
        runbook=RUNBOOK,
        cause="automation",
        by=by,
        now=now,
    )
