"""Looks at every target: remembers what it saw, tells, and proposes a run."""

from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

import alerts.services
import audit.services
import proxy.selectors
from audit.domain.actor import automation
from proxy.domain.tier import Tier
from runbooks import selectors
from runbooks.domain import policy as policies
from runbooks.domain import retry_storm
from runbooks.domain.plan import Plan, plan_from
from runbooks.domain.policy import Policy
from runbooks.domain.retry_storm import CAUSE, SLUG, Measure
from runbooks.domain.states import ACTING
from runbooks.models import Detection, Run, Step
from runbooks.services import gating
from runbooks.services.measuring import measure_routes
from telemetry.ports import Metrics

RULE = "retry-storm"
POLICY_RULE = "runbook-policy"
BY = automation("runbooks")


def look(name: str, *, metrics: Metrics, now: datetime) -> dict[str, Measure]:
    """Measure every route of the tier and do what that asks for; returns the measures by route."""
    tier = proxy.selectors.desired(name, now=now)
    _check_declaration(tier, now)
    policy = selectors.policy(runbook=SLUG, tier=tier)
    measures = measure_routes(metrics, tier=tier, policy=policy, now=now)
    for detection in _remember(tier.name, measures, policy, now):
        # A tier may have a thousand routes: only where something is, or was, is anything done.
        if detection.said == "storm" or detection.incident_id is not None:
            with transaction.atomic():
                _act(tier, detection, measures[detection.route], policy, now)
    return measures


def _check_declaration(tier: Tier, now: datetime) -> None:
    """A declared policy that cannot be is not used, and somebody must hear that."""
    labels = {"tier": tier.name, "runbook": SLUG}
    _, problem = selectors.declared_policy(runbook=SLUG, tier=tier)
    if not problem:
        why = "the declared policy is used"
        alerts.services.clear(rule=POLICY_RULE, labels=labels, why=why, by=BY, now=now)
        return
    alerts.services.signal(
        rule=POLICY_RULE,
        labels=labels,
        severity="ticket",
        originator="unknown",
        summary=f"The policy that {tier.name} declares for {SLUG} is not used: {problem}",
        numbers={},
        action="The runbook goes on with the policy of its text.",
        runbook=SLUG,
        cause="automation",
        by=BY,
        now=now,
    )


def _act(tier: Tier, detection: Detection, measure: Measure, policy: Policy, now: datetime) -> None:
    route = detection.route
    run = Run.objects.on(runbook=SLUG, tier=tier.name, route=route).open().first()
    if detection.said == "storm":
        if run is None:
            run = _propose(tier, route, measure, policy, now)
        deciding = run is not None and run.state in ("PROPOSED", "CONFIRMING")
        if not deciding and now - detection.since >= policy.confirm_for:
            number = tell(tier.name, route, measure, policy, action=_action(run, tier.name, route), now=now)
            if run is None or run.state not in ACTING:
                # A run that had taken the symptom away is over, and here it is again.
                alerts.services.worsen(incident_id=number, by=BY, reason=detection.why, now=now)
        return
    quiet = detection.said == "calm" and now - detection.since >= policy.quiet_for
    if quiet and (run is None or run.state not in ACTING):
        labels = {"tier": tier.name, "route": route}
        alerts.services.clear(rule=RULE, labels=labels, why=detection.why, by=BY, now=now)
        Detection.objects.filter(pk=detection.pk).update(incident=None)


def tell(tier: str, route: str, measure: Measure, policy: Policy, *, action: str, now: datetime) -> int:
    """Fire the alert of this storm; returns its incident. Sends one message however often it is called."""
    told = retry_storm.numbers(measure)
    incident = alerts.services.signal(
        rule=RULE,
        labels={"tier": tier, "route": route},
        severity="page",
        originator="backend" if measure.failed_share else "unknown",
        summary=f"Retry storm on {route}: {retry_storm.explain(measure, policy)}",
        numbers=told,
        action=action,
        runbook=SLUG,
        cause=CAUSE,
        by=BY,
        now=now,
        upstream=measure.busiest,
    )
    Detection.objects.filter(runbook=SLUG, tier=tier, route=route).update(incident=incident)
    return incident


@transaction.atomic
def _remember(tier: str, measures: Mapping[str, Measure], policy: Policy, now: datetime) -> list[Detection]:
    """Each route's newest look, in three queries whatever their number.

    Two rounds at once take turns: both would write all of the rows, in whatever order.
    """
    looks = Detection.objects.select_for_update().filter(runbook=SLUG, tier=tier).order_by("pk")
    known = {row.route: row for row in looks}
    rows = []
    for route, measure in measures.items():
        said = retry_storm.detect(measure, policy)
        row = known.get(route) or Detection(runbook=SLUG, tier=tier, route=route, said="", since=now)
        row.since = row.since if row.said == said else now
        row.at, row.said, row.why = now, said, retry_storm.explain(measure, policy)
        row.values = retry_storm.as_data(measure)
        rows.append(row)
    Detection.objects.bulk_create([row for row in rows if row.route not in known], ignore_conflicts=True)
    changed = ["at", "said", "since", "why", "values"]
    Detection.objects.bulk_update(known.values(), changed)
    Detection.objects.filter(runbook=SLUG, tier=tier).exclude(route__in=measures).delete()
    return rows


def _propose(tier: Tier, route: str, measure: Measure, policy: Policy, now: datetime) -> Run | None:
    """A new run, unless a gate would stop it for the reason that stopped the last one."""
    patches = patches_for(tier, route, policy)
    answer = gating.decide(
        runbook=SLUG, tier=tier, route=route, policy=policy, patches=patches, approval=None, now=now
    )
    last = Run.objects.on(runbook=SLUG, tier=tier.name, route=route).first()
    if answer.answer == "stop" and last is not None:
        cooling = last.state not in ("SUPPRESSED", "NOT_CONFIRMED")
        if cooling or (last.state == "SUPPRESSED" and last.why == answer.why):
            return None
    why = retry_storm.explain(measure, policy)
    try:
        with transaction.atomic():
            run = Run.objects.create(
                runbook=SLUG,
                tier=tier.name,
                route=route,
                why=why,
                policy=policies.as_data(policy),
                started_at=now,
                entered_at=now,
            )
    except IntegrityError:
        # Another worker proposed it between our look and our insert.
        return None
    Step.objects.create(
        run=run,
        version=1,
        at=now,
        event="propose",
        state=run.state,
        actor=BY.name,
        why=why,
        evidence=retry_storm.as_data(measure),
    )
    _audit_proposal(run, why, now)
    return run


def _audit_proposal(run: Run, why: str, now: datetime) -> None:
    audit.services.record(
        by=BY,
        action="run.propose",
        target=run.target,
        reason=why,
        now=now,
        detail={"run": run.pk, "version": 1, "state": run.state},
    )


def patches_for(tier: Tier, route: str, policy: Policy) -> list[dict[str, object]]:
    """The patches of the runbook's remedy on this route as it is split now."""
    found = tier.route(route)
    upstreams = [name for name, weight in found.split.items() if weight] if found else []
    return retry_storm.plan(route=route, upstreams=upstreams, policy=policy)


def asks(run: Run, plan: Plan) -> str:
    """What the machine does while a person decides."""
    return f"Run {run.pk} asks for approval to {plan.summary}"


def _action(run: Run | None, tier: str, route: str) -> str:
    if run is None:
        run = Run.objects.on(runbook=SLUG, tier=tier, route=route).first()
    if run is None:
        return "Nothing yet"
    if run.state == "AWAITING_APPROVAL":
        return asks(run, plan_from(run.plan or {}))
    return f"Run {run.pk} is {run.state.lower().replace('_', ' ')}: {run.why}"
