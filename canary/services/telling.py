"""What a rollout says to people: rows in the outbox, written in the transaction of the change."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings

import alerts.services
from audit.domain.actor import automation
from canary.domain.family import Judgement
from canary.domain.judge import e_value
from canary.models import Rollout

RULE = "canary_failed"
RUNBOOK = "canary-rolled-back"
JUDGE = automation("judge")


def failed(rollout: Rollout, judgement: Judgement, *, before: int, now: datetime) -> int:
    """Signal a failed canary, once per rollout; returns the incident's number."""
    return _signal(
        rollout,
        numbers=_numbers(judgement, before),
        action=f"Sluice takes {rollout.upstream} from {before / 100:g} % to 0 % on every proxy.",
        now=now,
    )


def rolled_back(rollout: Rollout, *, now: datetime) -> None:
    """Say in the incident that every proxy obeys: no new message, the first one is brought up to date."""
    if rollout.incident is None:
        return
    names = ", ".join(sorted(rollout.push["proxies"]))
    took = f" {_seconds(rollout, now)} after the decision" if rollout.decided_at else ""
    done = f"Sluice took {rollout.upstream} to 0 %; read back from {names}{took}."
    alerts.services.note(incident_id=rollout.incident, text=done, by=JUDGE, now=now)
    alerts.services.mitigate(incident_id=rollout.incident, by=JUDGE, reason=done, now=now)


def needs_human(rollout: Rollout, why: str, *, now: datetime) -> None:
    """Ask for a person, once per push that went wrong."""
    alerts.services.tell(
        key=f"rollout/{rollout.pk}/needs-human/{rollout.state}/{rollout.push.get('generation', 0)}",
        kind="NEEDS_HUMAN",
        incident_id=rollout.incident,
        heading=f"Rollout of {rollout.upstream} on {rollout.route_name} needs a person",
        action=why,
        links=[_link(rollout)],
        tier=rollout.tier,
        route=rollout.route_name,
        now=now,
    )


def asks(rollout: Rollout, then: Mapping[str, int], *, now: datetime) -> None:
    """Ask whether to take the step that was earned, with its exact weights."""
    split = ", ".join(f"{arm} {weight / 100:g} %" for arm, weight in then.items())
    alerts.services.tell(
        key=f"rollout/{rollout.pk}/approval/{rollout.step}/{rollout.version}",
        kind="APPROVAL",
        incident_id=None,
        heading=f"{rollout.upstream} passed at {rollout.weight / 100:g} % of {rollout.route_name}",
        action=f"Next step: {split}. {rollout.reason}",
        links=[_link(rollout)],
        tier=rollout.tier,
        route=rollout.route_name,
        now=now,
    )


def _signal(rollout: Rollout, *, numbers: Mapping[str, str], action: str, now: datetime) -> int:
    return alerts.services.signal(
        rule=RULE,
        labels={
            "tier": rollout.tier,
            "route": rollout.route_name,
            "upstream": rollout.upstream,
            "rollout": str(rollout.pk),
        },
        severity="page",
        originator="backend",
        summary=f"Canary {rollout.upstream} failed on {rollout.route_name}: {rollout.reason}",
        numbers=numbers,
        action=action,
        runbook=RUNBOOK,
        cause="canary",
        by=JUDGE,
        now=now,
    )


def _numbers(judgement: Judgement, before: int) -> dict[str, str]:
    numbers = {"canary's share": f"{before / 100:g} %"}
    verdict = judgement.verdicts[judgement.metric] if judgement.metric else None
    if verdict is None or verdict.reading is None:
        return numbers
    reading = verdict.reading
    high = "more" if reading.high is None else f"{reading.high:.3g}x"
    return {
        **numbers,
        "odds of failing": f"{reading.odds:.3g}x (95 %: {reading.low:.3g}x to {high})",
        "e-value": f"{e_value(reading.log_fail):.2g}",
        "dispersion": f"{reading.phi:.2g}",
    }


def _seconds(rollout: Rollout, now: datetime) -> str:
    took = now - (rollout.decided_at or now)
    return f"{took / timedelta(seconds=1):.1f} s"


def _link(rollout: Rollout) -> tuple[str, str]:
    return f"Rollout {rollout.pk}", f"{settings.BASE_URL}/rollouts/{rollout.pk}"
