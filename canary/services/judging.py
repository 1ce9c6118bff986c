"""What the judge sees of a rollout at a tick: scrapes read, folded and weighed. Writes nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from canary.domain import family, scrapes
from canary.domain.family import Family, FamilyTick, Judgement
from canary.domain.judge import e_value, weigh
from canary.domain.plan import Plan
from canary.domain.scrapes import Clock, Folded
from canary.models import Observation, Rollout
from telemetry.ports import Metrics

# After a long outage of the workers the judge catches up from Prometheus, but not for ever.
FURTHEST_BACK = timedelta(minutes=5)
# A proxy's last scrape before the first new interval: that far back it may lie, and a second to spare.
OVERLAP = timedelta(seconds=scrapes.REACH + 1)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found. `measured_at` is when requests were last seen, None where none were."""

    judgement: Judgement
    evidence: dict[str, Any]
    observations: tuple[Observation, ...]
    folded_until: float | None
    decided_by: float | None
    measured_at: datetime | None


def look(rollout: Rollout, plan: Plan, *, metrics: Metrics, now: datetime) -> Look:
    """Fold the ticks since the last look and stop at the first one that decides. Raises MetricsError.

    The same scrapes and the same saved evidence give the same look.
    """
    folded = _fold(rollout, metrics, now)
    limits = plan.limits()
    weighed = family.load(rollout.evidence.get("family", {}))
    names = {"canary": rollout.upstream, "control": "the control"}
    judgement = family.decide(weighed, limits, **names, tick=None)
    until, observations, decided_by = folded.until, [], None
    measured_at = _measured_at(folded)
    judged_from, earns_from = _judged_from(rollout, plan)
    for tick in folded.ticks:
        at = tick["first_attempt"].at
        if at <= judged_from:
            continue
        weighed = family.observe(weighed, tick, limits, earns=at > earns_from)
        judgement = family.decide(weighed, limits, **names, tick=tick)
        observations.append(_observation(rollout, tick, weighed, plan))
        if judgement.kind == "fail" or (judgement.kind == "pass" and rollout.state == "running"):
            until, decided_by = at, at
            break
    return Look(
        judgement=judgement,
        evidence=_save(rollout, weighed, folded, measured_at),
        observations=tuple(observations),
        folded_until=until,
        decided_by=decided_by,
        measured_at=measured_at,
    )


def _fold(rollout: Rollout, metrics: Metrics, now: datetime) -> Folded:
    furthest = now - FURTHEST_BACK
    after = max(rollout.folded_until or 0.0, furthest.timestamp())
    window = now - datetime.fromtimestamp(after, tz=UTC) + OVERLAP
    asked = scrapes.queries(rollout.tier, rollout.route_name)
    series = [one for query in asked for one in metrics.raw(query, window=window, at=now)]
    return scrapes.fold(
        series,
        canary=rollout.upstream,
        control=control_of(rollout),
        after=after,
        now=now.timestamp(),
        clock=_clock(rollout),
    )


def _measured_at(folded: Folded) -> datetime | None:
    seen = [tick["first_attempt"] for tick in folded.ticks]
    with_requests = [tick.at for tick in seen if tick.canary()[0] or tick.control()[0]]
    return datetime.fromtimestamp(with_requests[-1], tz=UTC) if with_requests else None


def control_of(rollout: Rollout) -> frozenset[str]:
    """The arms that the canary is compared with: the whole pool that had the traffic before."""
    return frozenset(arm for arm, weight in rollout.base.items() if weight > 0)


def _clock(rollout: Rollout) -> Clock | None:
    saved = rollout.evidence.get("clock")
    return Clock(*saved) if saved else None


def _judged_from(rollout: Rollout, plan: Plan) -> tuple[float, float]:
    """Unix seconds after which ticks may fail the canary, and after which they may earn the next step.

    Nothing is judged while the first weights are on their way, nor in a warm-up. While the weights of a later
    step are on their way the canary can fail, but what it does at the old weights earns no further step.
    """
    acked = rollout.push.get("acked_at")
    if acked is None:
        return (inf if rollout.step == 0 else 0.0), inf
    obeyed = datetime.fromisoformat(acked).timestamp() + plan.warm_up
    return obeyed, obeyed


def _save(rollout: Rollout, weighed: Family, folded: Folded, measured_at: datetime | None) -> dict[str, Any]:
    clock = folded.clock
    return {
        "family": family.dump(weighed),
        "clock": [clock.interval, clock.phase] if clock else rollout.evidence.get("clock"),
        "measured_at": measured_at.isoformat() if measured_at else rollout.evidence.get("measured_at"),
        "dropped": _dropped(rollout.evidence.get("dropped", {}), folded),
    }


def _dropped(before: Mapping[str, int], folded: Folded) -> dict[str, int]:
    """How many ticks lacked something, by what they lacked."""
    return dict(Counter(before) + Counter(one.why for one in folded.dropped))


def _observation(rollout: Rollout, tick: FamilyTick, weighed: Family, plan: Plan) -> Observation:
    figures: dict[str, Mapping[str, Any]] = {}
    for metric, evidence in weighed.items():
        reading = weigh(evidence, family.limits_of(plan.limits(), metric))
        figures[metric] = {
            "canary": tick[metric].canary(),
            "control": tick[metric].control(),
            "e_fail": e_value(reading.log_fail),
            "e_pass": e_value(reading.log_pass),
            "odds": reading.odds,
            "low": reading.low,
            "high": reading.high,
            "phi": reading.phi,
        }
    at = tick["first_attempt"].at
    return Observation(rollout=rollout, at=at, weight=rollout.weight, figures=figures)
