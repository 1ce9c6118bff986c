"""What a rollout says to people: rows in the outbox, written in the transaction of the change."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings

import alerts.selectors
import alerts.services
from alerts.domain.buttons import Button
from alerts.domain.message import escape
from audit.domain.actor import Actor, automation
from canary.domain import family, states, summary
from canary.domain.baking import Bake
from canary.domain.family import Judgement
from canary.domain.judge import Reading, e_value
from canary.domain.latency import duration
from canary.models import Rollout

RULE = "canary_failed"
RUNBOOK = "canary-rolled-back"
STEP_RUNBOOK = "canary-step"
# What is at fault where nothing is.
NOBODY = "none: nothing is wrong"
JUDGE = automation("judge")
# Where nothing of it can be rolled back any more.
OVER = (*states.TERMINAL, "rolling_back")
# What `canary.pressed` does when one is pressed.
APPROVE, ROLL_BACK = "rollout.approve", "rollout.roll_back"


def failed(rollout: Rollout, judgement: Judgement, *, before: int, now: datetime) -> int:
    """Signal a failed canary, once per rollout; returns the incident's number."""
    return _signal(
        rollout,
        summary=_heading(rollout, judgement),
        numbers=_numbers(judgement, before),
        action=_takes(rollout, before),
        now=now,
    )


def _takes(rollout: Rollout, before: int) -> str:
    taken = f"Sluice takes {rollout.upstream} from {before / 100:g} % to"
    if not rollout.weight:
        return f"{taken} 0 % on every proxy."
    until = datetime.fromisoformat(rollout.push["return_by"])
    return (
        f"{taken} {rollout.weight / 100:g} % on every proxy at once, since the other arms have no room for"
        f" more, and to 0 % as they find it, at {until:%H:%M:%S} UTC at the latest."
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


def short(found: Sequence[tuple[Rollout, str]], *, now: datetime) -> None:
    """Say of each rollout why its rollback would not find room, once a step: there is time to make some.

    What was said already costs one query for all of them.
    """
    keys = {rollout.pk: _key(rollout, f"needs-human/short/{rollout.step}") for rollout, _ in found}
    known = alerts.selectors.told(keys.values()) if keys else set()
    for rollout, why in found:
        if keys[rollout.pk] not in known:
            _ask(rollout, f"short/{rollout.step}", why, originator="unknown", now=now)


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
        buttons=_way_back(rollout),
        now=now,
    )


def asks(rollout: Rollout, then: Mapping[str, int], *, now: datetime) -> None:
    """Ask whether to take the step that was earned, or that needs no earning, with its exact weights."""
    passed = f"{rollout.upstream} passed at {rollout.weight / 100:g} % of {rollout.route_name}"
    asked = f"{rollout.upstream} is there for who asks for it on {rollout.route_name}"
    split = ", ".join(f"{arm} {weight / 100:g} %" for arm, weight in then.items())
    _tell(
        rollout,
        f"approval/{rollout.step}/{rollout.version}",
        kind="APPROVAL",
        heading=passed if rollout.weight else asked,
        action=f"Sluice waits for approval of the next step: {split}. {rollout.reason}",
        originator=NOBODY,
        buttons=[_next_step(rollout, split), *_way_back(rollout)],
        now=now,
    )


def bakes(rollout: Rollout, bake: Bake, *, now: datetime) -> None:
    """Say that every proxy obeys the last step, and what is waited for now."""
    judged = "it is still judged against the rest" if bake.warm else "nothing is left to judge it against"
    _tell(
        rollout,
        f"bakes/{rollout.version}",
        kind="INFO",
        heading=f"{rollout.upstream} bakes on {rollout.route_name} for {bake.seconds:g} s",
        action=f"Sluice keeps {_split(rollout)}: {judged}. Then it is promoted. {rollout.reason}",
        originator=NOBODY,
        buttons=_way_back(rollout),
        now=now,
    )


def held(rollout: Rollout, why: str, *, now: datetime) -> None:
    """Ask for a person, once per push, where what the machine does goes on without an end."""
    _ask(rollout, f"held/push/{rollout.push.get('generation', 0)}", why, originator="unknown", now=now)


def observed(rollout: Rollout, kind: str, said: str, *, now: datetime) -> None:
    """Say once a step, and once for each kind of verdict, what the judge would have done."""
    _tell(
        rollout,
        f"observed/{rollout.step}/{kind}",
        kind="INFO",
        heading=f"{rollout.upstream} is only observed on {rollout.route_name}: {kind}",
        action=f"Sluice moves nothing in mode observe. {said}",
        originator="backend" if kind == "fail" else NOBODY,
        buttons=_way_back(rollout) if kind == "fail" else (),
        now=now,
    )


def undone(rollout: Rollout, *, by: Actor, now: datetime) -> None:
    """Say that a promotion is being taken back, by whom and to what."""
    _tell(
        rollout,
        f"undone/{rollout.version}",
        kind="INFO",
        heading=f"{by.name} undid the promotion of {rollout.upstream} on {rollout.route_name}",
        action=f"Sluice gives back the split of before: {_split(rollout)}. {rollout.reason}",
        originator=NOBODY,
        now=now,
    )


def _split(rollout: Rollout) -> str:
    return ", ".join(f"{arm} {weight / 100:g} %" for arm, weight in rollout.push["weights"].items())


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
    buttons: Sequence[Button] = (),
) -> None:
    """One message of the rollout: in its incident, where it has one, and else with every part of its own."""
    seen = family.load(rollout.evidence.get("family", {}))
    alerts.services.tell(
        key=_key(rollout, once),
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
        buttons=buttons,
        now=now,
    )


def _next_step(rollout: Rollout, split: str) -> Button:
    """For the step that was looked at: another one is not ended by it."""
    return Button(
        APPROVE, rollout.pk, "Approve the next step", str(rollout.step), "primary", f"Next: {split}."
    )


def _way_back(rollout: Rollout) -> list[Button]:
    if "roll_back" not in states.ROLLOUT[rollout.state]:
        return []
    asks = f"{rollout.upstream} has no traffic of {rollout.route_name} any more."
    return [Button(ROLL_BACK, rollout.pk, "Roll back", style="danger", asks=asks)]


def answered(rollout: Rollout, came_from: str, *, by: Actor | None, now: datetime) -> None:
    """Take the buttons off messages that the rollout's last move has answered. They say how."""
    if came_from != "awaiting_approval" and rollout.state not in OVER:
        return
    where = " in Slack" if by is not None and by.source == "slack" else ""
    person = f" by {escape(by.name)}{where}" if by is not None and by.source != "automation" else ""
    state = rollout.state.replace("_", " ")
    said = f"Rollout {rollout.pk}: {state}{person} at {now:%H:%M:%S} UTC: {escape(rollout.reason)}"
    of = "" if rollout.state in OVER else "approval/"
    alerts.services.answered(prefix=_key(rollout, of), said=said, now=now)


def _key(rollout: Rollout, once: str) -> str:
    return f"rollout/{rollout.pk}/{once}"


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
    worse = "odds of failing" if judgement.metric in family.OF else "odds of the worse point"
    worse = worse if verdict.edge is None else f"odds of more than {duration(verdict.edge)}"
    return {
        **numbers,
        **({worse: _odds(reading)} if reading.odds is not None else {}),
        "e-value": f"{e_value(reading.log_fail):.2g}",
        "dispersion": f"{reading.phi:.2g}",
    }


def _odds(reading: Reading) -> str:
    high = "more" if reading.high is None else f"{reading.high:.3g}x"
    return f"{reading.odds:.3g}x (95 %: {reading.low:.3g}x to {high})"


def _seconds(rollout: Rollout, now: datetime) -> str:
    took = now - (rollout.decided_at or now)
    return f"{took / timedelta(seconds=1):.1f} s"


def _link(rollout: Rollout) -> tuple[str, str]:
    return f"Rollout {rollout.pk}", f"{settings.BASE_URL}/rollouts/{rollout.pk}"
