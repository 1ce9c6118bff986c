"""Publishes the Prometheus rules that the objectives need."""

from datetime import datetime

from django.conf import settings

import alerts.services
import audit.services
from audit.domain.actor import Actor
from slo.domain import rules
from slo.models import Objective
from slo.services.names import BY
from telemetry.rulefiles import Away, NotPublished, RuleFiles

RULES_RULE = "rules_not_published"


def rule_file() -> str:
    """The Prometheus rules that the declared objectives need."""
    declared = [row.plain() for row in Objective.objects.live().filter(problem="")]
    return rules.render(declared, site=settings.BASE_URL)


def publish_rules(*, files: RuleFiles, by: Actor = BY, now: datetime) -> bool:
    """Put the rule file before Prometheus. False when it is there already.

    Raises `telemetry.rulefiles.NotPublished`; Prometheus then has the rules that it had before.
    """
    if not files.publish(rules.FILE, rule_file()):
        return False
    audit.services.record(
        by=by,
        action="rules.published",
        target=rules.FILE,
        reason="the objectives need it",
        now=now,
    )
    return True


def keep_rules(*, files: RuleFiles, by: Actor = BY, now: datetime) -> bool:
    """`publish_rules`, and tell when Prometheus refuses. True when it runs the rules now."""
    try:
        publish_rules(files=files, by=by, now=now)
    except Away:
        return False
    except NotPublished as error:
        alerts.services.signal(
            rule=RULES_RULE,
            labels={"part": rules.FILE},
            severity="ticket",
            originator="unknown",
            summary="Prometheus does not run the rules that the objectives need",
            numbers={"reason": str(error)[:300]},
            action="Prometheus keeps the rules that it has; this is tried again each minute.",
            runbook="",
            cause="automation",
            by=by,
            now=now,
        )
        return False
    alerts.services.clear(
        rule=RULES_RULE, labels={"part": rules.FILE}, why="the rules are loaded", by=by, now=now
    )
    return True
