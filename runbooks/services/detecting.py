"""Looks at every target: remembers what it saw, tells, and proposes a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

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
LOOK_RULE = "runbook-look"
BY = automation("runbooks")
# A drained target shows nothing any more, and its alert would fire for ever. Longer than a deploy or a
# restart leaves it without data.
NO_DATA_ENDS_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was measured of each target of a tier, and by what."""

    watched: Watched
    measures: Mapping[str, Measure]


def look(slug: str, definition: Definition, *, tier: Tier, answers: Answers) -> Looked:
    """Measure every target of the tier and do what that asks for."""
    now = answers.now
    _check_declaration(slug, tier, now)
    watched = now_on(slug, definition, tier)
    measures = measure(answers, tier=tier, definition=definition, policy=watched.judge.policy)
    rows = _remember(watched, measures, now)
    found = Run.objects.open().filter(runbook=slug, tier=tier.name, scope=definition.scope)
    runs = {run.subject: run for run in found.only("subject", "state", "why", "plan")}
    for detection in rows:
        # A tier may have a thousand routes: only where something is, or was, is anything done.
        run = runs.get(detection.subject)
        if _asks(watched, detection, run, now):
            with transaction.atomic():
                _act(tier, watched, detection, run, measures[detection.subject], now)
    return Looked(watched, measures)


def _asks(watched: Watched, detection: Detection, run: Run | None, now: datetime) -> bool:
    """Whether there is anything to do about what was seen."""
    policy, lasted = watched.judge.policy, now - detection.since
    fires, acting = detection.incident_id is not None, run is not None and run.state in ACTING
    match detection.said:
        case "present":
            if run is None:
                return True
            telling = lasted >= policy.confirm_for and run.state not in ("PROPOSED", "CONFIRMING")
            return telling and (not fires or is_told(run.pk, now))
        case "calm":
            return fires and lasted >= policy.quiet_for and not acting
        case _:
            return fires and lasted >= NO_DATA_ENDS_AFTER and not acting


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


def tell_blind(slug: str, tier: str, why: str, *, now: datetime) -> None:
    """The runbook cannot look at the tier at all: it would see nothing, in silence."""
    alerts.services.signal(
        rule=LOOK_RULE,
        labels=_blind(slug, tier),
        severity="ticket",
        originator="unknown",
        summary=f"{slug} cannot look at {tier}: {why}",
        numbers={},
        action="The other runbooks and tiers go on; what runs of it did still ends at its time.",
        runbook=slug,
        cause="automation",
        by=BY,
        now=now,
    )


def clear_blind(slug: str, tier: str, *, now: datetime) -> None:
    """It looks again, or nobody wants it to."""
    why = "it looks again, or not any more"
    alerts.services.clear(rule=LOOK_RULE, labels=_blind(slug, tier), why=why, by=BY, now=now)


def _blind(slug: str, tier: str) -> dict[str, str]:
    return {"tier": tier, "runbook": slug}


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
            # What nobody could look at does not last: Prometheus may be away.
            row.since = was.since if was.said == said and not found.is_blind else now
            row.incident_id = was.incident_id
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
    why = detection.why
    if detection.said == "no_data":
        minutes = NO_DATA_ENDS_AFTER.total_seconds() / 60
        why = f"no data for {minutes:.0f} min though the tier is scraped: {why}"
    alerts.services.clear(rule=watched.slug, labels=watched.labels(subject), why=why, by=BY, now=now)
    _looks_at(watched, subject).update(incident=None)


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
    _looks_at(watched, subject).update(incident=incident)
    return incident


def _looks_at(watched: Watched, subject: str) -> QuerySet[Detection]:
    target = {"tier": watched.tier, "scope": watched.definition.scope, "subject": subject}
    return Detection.objects.filter(runbook=watched.slug, **target)


def asks(run: Run, plan: Plan) -> str:
    """What the machine does while a person decides."""
    return f"Run {run.pk} asks for approval to {plan.summary}"


def _action(run: Run | None, watched: Watched, subject: str) -> str:
    if run is None:
        run = watched.runs(subject).first()
    if run is None:
        return "Nothing yet"
    if run.state == "AWAITING_APPROVAL":
        return asks(run, plan_from(run.plan or {}))
    return f"Run {run.pk} is {run.state.lower().replace('_', ' ')}: {run.why}"
