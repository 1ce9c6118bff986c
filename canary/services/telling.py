"""What a rollout says to people: rows in the outbox, written in the transaction of the change."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings

import alerts.services
from audit.domain.actor import Actor, automation
from canary.domain import family, summary
from canary.domain.family import Judgement
from canary.domain.judge import e_value
from canary.models import Rollout

RULE = "canary_failed"
RUNBOOK = "canary-rolled-back"
STEP_RUNBOOK = "canary-step"
# What is at fault where nothing is.
NOBODY = "none: nothing is wrong"
JUDGE = automation("judge")


def failed(rollout: Rollout, judgement: Judgement, *, before: int, now: datetime) -> int:
    """Signal a failed canary, once per rollout; returns the incident's number."""
    return _signal(
        rollout,
        summary=_heading(rollout, judgement),
        numbers=_numbers(judgement, before),
        action=f"Sluice takes {rollout.upstream} from {before / 100:g} % to 0 % on every proxy.",
        now=now,
    )


def rolled_back(rollout: Rollout, *, now: datetime) -> None:
    """A failed canary is no longer a problem once every proxy obeys: the incident resolves with it."""
    names = ", ".join(sorted(rollout.push.get("proxies", {})))
    took = f" {_seconds(rollout, now)} after the decision" if rollout.decided_at else ""
    read = f"read back from {names}{took}" if names else "it had no traffic any more"
    _clear(rollout, f"Sluice took {rollout.upstream} to 0 %; {read}.", by=JUDGE, now=now)


def closed(rollout: Rollout, said: str, *, by: Actor, now: datetime) -> None:
    """A person ended the rollback: the incident resolves, and says what nobody has read back."""
    seen = rollout.push.get("proxies", {})
    obeying = ", ".join(sorted(name for name, one in seen.items() if one["verified"])) or "no proxy"
    why = f"The rollback was read back from {obeying} and then {said}."
    _clear(rollout, why, by=by, now=now)


def needs_human(rollout: Rollout, why: str, *, now: datetime, originator: str = "unknown") -> None:
    """Ask for a person, once per transition."""
    _ask(rollout, f"{rollout.state}/{rollout.version}", why, originator=originator, now=now)


def not_obeyed(rollout: Rollout, why: str, *, now: datetime) -> None:
    """Ask for a person, once per push however often it is found late."""
    once = f"{rollout.state}/push/{rollout.push.get('generation', 0)}"
    _ask(rollout, once, why, originator="proxy", now=now)


def _ask(rollout: Rollout, once: str, why: str, *, originator: str, now: datetime) -> None:
    _tell(
        rollout,
        f"needs-human/{once}",
        kind="NEEDS_HUMAN",
        heading=f"Rollout of {rollout.upstream} on {rollout.route_name} needs a person",
        action=f"Sluice asks for a person: {why}",
        originator=originator,
        now=now,
    )


def asks(rollout: Rollout, then: Mapping[str, int], *, now: datetime) -> None:
    """Ask whether to take the step that was earned, with its exact weights."""
    split = ", ".join(f"{arm} {weight / 100:g} %" for arm, weight in then.items())
    _tell(
        rollout,
        f"approval/{rollout.step}/{rollout.version}",
        kind="APPROVAL",
        heading=f"{rollout.upstream} passed at {rollout.weight / 100:g} % of {rollout.route_name}",
        action=f"Sluice waits for approval of the next step: {split}. {rollout.reason}",
        originator=NOBODY,
        now=now,
    )


def promoted(rollout: Rollout, *, by: Actor, now: datetime) -> None:
    """Say that the canary has the whole route now, by the configuration, and who decided that: `by`."""
    decided = rollout.reason if by.source != "automation" else f"Sluice decided: {rollout.reason}"
    _tell(
        rollout,
        "promoted",
        kind="INFO",
        heading=f"{rollout.upstream} was promoted on {rollout.route_name}",
        action=f"Sluice gave {rollout.upstream} 100 % on every proxy. {decided}",
        originator=NOBODY,
        now=now,
    )


def _tell(
    rollout: Rollout,
    once: str,
    *,
    kind: alerts.services.Kind,
    heading: str,
    action: str,
    originator: str,
    now: datetime,
) -> None:
    """One message of the rollout: in its incident, where it has one, and else with every part of its own."""
    seen = family.load(rollout.evidence.get("family", {}))
    alerts.services.tell(
        key=f"rollout/{rollout.pk}/{once}",
        kind=kind,
        incident_id=rollout.incident,
        heading=heading,
        numbers=summary.figures(seen, upstream=rollout.upstream, weight=rollout.weight),
        action=action,
        links=[_link(rollout)],
        tier=rollout.tier,
        route=rollout.route_name,
        originator=originator,
        runbook=STEP_RUNBOOK,
        now=now,
    )


def _heading(rollout: Rollout, judgement: Judgement) -> str:
    rates = judgement.verdicts[judgement.metric].rates if judgement.metric else judgement.reason
    return f"Canary {rollout.upstream} failed on {rollout.route_name}: {rates}"


def _signal(rollout: Rollout, *, summary: str, numbers: Mapping[str, str], action: str, now: datetime) -> int:
    return alerts.services.signal(
        rule=RULE,
        labels=_labels(rollout),
        severity="page",
        originator="backend",
        summary=summary,
        numbers=numbers,
        action=action,
        runbook=RUNBOOK,
        cause="canary",
        by=JUDGE,
        now=now,
    )


def _clear(rollout: Rollout, why: str, *, by: Actor, now: datetime) -> None:
    alerts.services.clear(rule=RULE, labels=_labels(rollout), why=why, did=why, by=by, now=now)


def _labels(rollout: Rollout) -> dict[str, str]:
    """A failed rollout is an alert of its own: a second one on the route fires again."""
    return {
        "tier": rollout.tier,
        "route": rollout.route_name,
        "upstream": rollout.upstream,
        "rollout": str(rollout.pk),
    }


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
