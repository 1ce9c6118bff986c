"""Looks at every target: remembers what it saw, tells, and proposes a run."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

import alerts.services
import proxy.selectors
from audit.domain.actor import automation
from proxy.domain.tier import Tier
from runbooks import selectors
from runbooks.domain.definition import Definition
from runbooks.domain.measures import Measure, as_data
from runbooks.domain.plan import Plan, plan_from
from runbooks.domain.states import ACTING
from runbooks.domain.targets import labels_of
from runbooks.models import Detection, Run
from runbooks.services import proposing
from runbooks.services.looking import is_told
from runbooks.services.measuring import Answers, measure
from runbooks.services.watched import Watched, now_on

POLICY_RULE = "runbook-policy"
BY = automation("runbooks")


def look(slug: str, definition: Definition, *, tier: Tier, answers: Answers) -> dict[str, Measure]:
    """Measure every target of the tier and do what that asks for; returns the measures by target."""
    now = answers.now
    _check_declaration(slug, tier, now)
    watched = now_on(slug, definition, tier)
    measures = measure(answers, tier=tier, definition=definition, policy=watched.judge.policy)
    rows = _remember(watched, measures, now)
    found = Run.objects.open().filter(runbook=slug, tier=tier.name)
    runs = {run.subject: run for run in found.only("subject", "state", "why", "plan")}
    for detection in rows:
        # A tier may have a thousand routes: only where something is, or was, is anything done.
        run = runs.get(detection.subject)
        if _asks(watched, detection, run, now):
            with transaction.atomic():
                _act(tier, watched, detection, run, measures[detection.subject], now)
    return measures


def _asks(watched: Watched, detection: Detection, run: Run | None, now: datetime) -> bool:
    """Whether there is anything to do about what was seen."""
    policy, lasted = watched.judge.policy, now - detection.since
    match detection.said:
        case "present":
            if run is None:
                return True
            telling = lasted >= policy.confirm_for and run.state not in ("PROPOSED", "CONFIRMING")
            return telling and (detection.incident_id is None or is_told(run.pk, now))
        case "calm":
            acting = run is not None and run.state in ACTING
            return detection.incident_id is not None and lasted >= policy.quiet_for and not acting
        case _:
            return False


def _check_declaration(slug: str, tier: Tier, now: datetime) -> None:
    """A declared policy that cannot be is not used, and somebody must hear that."""
    labels = {"tier": tier.name, "runbook": slug}
    _, problem = selectors.declared_policy(runbook=slug, tier=tier)
    if not problem:
        why = "the declared policy is used"
        alerts.services.clear(rule=POLICY_RULE, labels=labels, why=why, by=BY, now=now)
        return
    alerts.services.signal(
        rule=POLICY_RULE,
        labels=labels,
        severity="ticket",
        originator="unknown",
        summary=f"The policy that {tier.name} declares for {slug} is not used: {problem}",
        numbers={},
        action="The runbook goes on with the policy of its text.",
        runbook=slug,
        cause="automation",
        by=BY,
        now=now,
    )


@transaction.atomic
def _remember(watched: Watched, measures: Mapping[str, Measure], now: datetime) -> list[Detection]:
    """Each target's newest look, in a few queries whatever their number.

    Two rounds at once take turns: both would write all of the rows, in whatever order.
    """
    mine, scope = {"runbook": watched.slug, "tier": watched.tier}, watched.definition.scope
    looks = Detection.objects.select_for_update().filter(**mine, scope=scope).order_by("pk")
    known = {row.subject: row for row in looks.only("subject", "said", "since", "incident")}
    rows = []
    for subject, found in measures.items():
        said, was = watched.judge.detect(found), known.get(subject)
        row = Detection(**mine, scope=scope, subject=subject, at=now, said=said, since=now)
        row.why, row.values = watched.judge.explain(found), as_data(found)
        if was is not None:
            row.since, row.incident_id = was.since if was.said == said else now, was.incident_id
        rows.append(row)
    # One statement for many rows; an update that names each row's values by its case takes ten times as long.
    Detection.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["runbook", "tier", "scope", "subject"],
        update_fields=["at", "said", "since", "why", "values"],
    )
    _forget(watched, measures, now)
    return rows


def _forget(watched: Watched, measures: Mapping[str, Measure], now: datetime) -> None:
    """Of targets that the tier has no more: what fired on them fires no more."""
    looks = Detection.objects.filter(runbook=watched.slug, tier=watched.tier)
    gone = looks.exclude(scope=watched.definition.scope, subject__in=measures)
    for scope, subject in gone.exclude(incident=None).values_list("scope", "subject"):
        labels = labels_of(watched.tier, scope, subject)
        alerts.services.clear(rule=watched.slug, labels=labels, why="it is gone", by=BY, now=now)
    gone.delete()


def _act(
    tier: Tier, watched: Watched, detection: Detection, run: Run | None, measured: Measure, now: datetime
) -> None:
    subject, policy = detection.subject, watched.judge.policy
    if detection.said == "present":
        if run is None:
            run = proposing.propose(tier, watched, subject, measured, now)
        deciding = run is not None and run.state in ("PROPOSED", "CONFIRMING")
        if not deciding and now - detection.since >= policy.confirm_for:
            number = tell(watched, subject, measured, action=_action(run, watched, subject), now=now)
            if run is None or run.state not in ACTING:
                # A run that had taken the symptom away is over, and here it is again.
                alerts.services.worsen(incident_id=number, by=BY, reason=detection.why, now=now)
        return
    labels = watched.labels(subject)
    alerts.services.clear(rule=watched.slug, labels=labels, why=detection.why, by=BY, now=now)
    looks = Detection.objects.filter(runbook=watched.slug, tier=watched.tier, subject=subject)
    looks.update(incident=None)


def tell(watched: Watched, subject: str, measured: Measure, *, action: str, now: datetime) -> int:
    """Fire the alert of this symptom; returns its incident. Sends one message however often it is called."""
    judge, definition = watched.judge, watched.definition
    incident = alerts.services.signal(
        rule=watched.slug,
        labels=watched.labels(subject),
        severity=definition.severity,
        originator=judge.originator(measured),
        summary=f"{definition.title} on {watched.words(subject)}: {judge.explain(measured)}",
        numbers=judge.numbers(measured),
        action=action,
        runbook=watched.slug,
        cause=definition.cause,
        by=BY,
        now=now,
        upstream=judge.culprit(measured),
        through=proxy.selectors.through(watched.tier, subject) if definition.scope == "route" else (),
    )
    looks = Detection.objects.filter(runbook=watched.slug, tier=watched.tier, subject=subject)
    looks.update(incident=incident)
    return incident


def asks(run: Run, plan: Plan) -> str:
    """What the machine does while a person decides."""
    return f"Run {run.pk} asks for approval to {plan.summary}"


def _action(run: Run | None, watched: Watched, subject: str) -> str:
    if run is None:
        run = Run.objects.on(runbook=watched.slug, tier=watched.tier, subject=subject).first()
    if run is None:
        return "Nothing yet"
    if run.state == "AWAITING_APPROVAL":
        return asks(run, plan_from(run.plan or {}))
    return f"Run {run.pk} is {run.state.lower().replace('_', ' ')}: {run.why}"
