"""What the judge sees of a rollout at a tick: scrapes read, folded and weighed. Writes nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any

from canary.domain import family, kept, scrapes, shares
from canary.domain.family import Family, Judgement
from canary.domain.plan import Plan
from canary.domain.scrapes import Clock, Folded
from canary.models import Observation, Rollout
from canary.services import sampling, scraping
from canary.services.scraping import Scraped


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found. `measured_at` is when requests were last seen, None where none were."""

    judgement: Judgement
    evidence: dict[str, Any]
    observations: tuple[Observation, ...]
    folded_until: float | None
    decided_by: float | None
    measured_at: datetime | None


def look(rollout: Rollout, plan: Plan, *, metrics: Scraped, now: datetime) -> Look:
    """Fold the ticks since the last look and stop at the first one that decides. Raises MetricsError.

    The same scrapes and the same saved evidence give the same look.
    """
    folded = _fold(rollout, plan, metrics, now)
    limits = plan.limits()
    weighed = family.load(rollout.evidence.get("family", {}))
    names = {"canary": rollout.upstream, "control": "the control"}
    known = rollout.evidence.get("paused_by", [])
    judgement = family.decide(weighed, limits, **names, tick=None, metrics=plan.metrics)
    until, decided_by = folded.until, None
    observations: list[Observation] = []
    measured_at = _measured_at(folded)
    judged_from, earns_from = _judged_from(rollout, plan)
    for tick in folded.ticks:
        at = tick["first_attempt"].at
        if at <= judged_from:
            continue
        before, earns = _checkpoint(rollout, weighed, len(observations)), at > earns_from
        weighed = family.observe(weighed, tick, limits, metrics=plan.metrics, earns=earns)
        judgement = family.decide(weighed, limits, **names, tick=tick, metrics=plan.metrics, known=known)
        observations.append(
            Observation(
                rollout=rollout,
                at=at,
                weight=rollout.weight,
                tick=kept.dump_tick(tick),
                earns=earns,
                lap=rollout.evidence.get("lap", 0),
                before=before,
                verdict=judgement.kind,
                figures=kept.figures(weighed, tick, limits, plan.metrics),
            )
        )
        if decides(rollout, judgement):
            until, decided_by = at, at
            break
    return Look(
        judgement=judgement,
        evidence=_save(rollout, weighed, folded, measured_at, len(observations)),
        observations=tuple(observations),
        folded_until=until,
        decided_by=decided_by,
        measured_at=measured_at,
    )


def decides(rollout: Rollout, judgement: Judgement) -> bool:
    """Whether the verdict moves the rollout. A metric pauses it once, and what a person resumes goes on."""
    if judgement.kind == "fail" and judgement.action == "pause":
        return rollout.state in ("running", "baking") and judgement.metric not in rollout.evidence.get(
            "paused_by", []
        )
    return judgement.kind == "fail" or (judgement.kind == "pass" and rollout.state == "running")


def _fold(rollout: Rollout, plan: Plan, metrics: Scraped, now: datetime) -> Folded:
    canary, control = rollout.upstream, control_of(rollout)
    folded = scrapes.fold(
        metrics.of(rollout, plan),
        canary=canary,
        control=control,
        after=scraping.after(rollout, now),
        now=now.timestamp(),
        clock=_clock(rollout),
    )
    return sampling.sampled(plan, folded, metrics.source, canary=canary, control=control)


def _measured_at(folded: Folded) -> datetime | None:
    seen = [tick["first_attempt"] for tick in folded.ticks]
    with_requests = [tick.at for tick in seen if tick.canary()[0] or tick.control()[0]]
    return datetime.fromtimestamp(with_requests[-1], tz=UTC) if with_requests else None


def control_of(rollout: Rollout) -> frozenset[str]:
    """The arms that the canary is compared with: its baseline, else the pool that had the traffic before."""
    return shares.control(Plan.model_validate(rollout.plan), rollout.base, rollout.weight)


def _clock(rollout: Rollout) -> Clock | None:
    saved = rollout.evidence.get("clock")
    return Clock(*saved) if saved else None


def _judged_from(rollout: Rollout, plan: Plan) -> tuple[float, float]:
    """Unix seconds after which ticks may fail the canary, and after which they may earn the next step.

    Nothing is judged while the first weights are on their way, nor in a warm-up. While other weights are on
    their way, those of a step that was refused too, the canary can fail, but what it does at the old weights
    earns no further step. A step is earned from its read-back on: a proxy that acknowledged and runs other
    weights shows nothing of this step. A failure waits for no read-back.
    """
    acked, read = (_unix(rollout.push.get(name)) for name in ("acked_at", "verified_at"))
    if acked is None:
        first = rollout.step == 0 and not rollout.push.get("before")
        return (inf if first else 0.0), inf
    return acked + plan.warm_up, inf if read is None else read + plan.warm_up


def _unix(moment: str | None) -> float | None:
    return None if moment is None else datetime.fromisoformat(moment).timestamp()


def _checkpoint(rollout: Rollout, weighed: Family, looked: int) -> dict[str, Any] | None:
    """The evidence before a tick, where it is to be kept beside it; `looked` ticks went before it now."""
    due = (rollout.evidence.get("ticks", 0) + looked) % kept.CHECKPOINT_EVERY == 0
    return family.dump(weighed) if due else None


def _save(
    rollout: Rollout, weighed: Family, folded: Folded, measured_at: datetime | None, looked: int
) -> dict[str, Any]:
    clock = folded.clock
    return {
        "family": family.dump(weighed),
        "paused_by": rollout.evidence.get("paused_by", []),
        "lap": rollout.evidence.get("lap", 0),
        "ticks": rollout.evidence.get("ticks", 0) + looked,
        "clock": [clock.interval, clock.phase] if clock else rollout.evidence.get("clock"),
        "measured_at": measured_at.isoformat() if measured_at else rollout.evidence.get("measured_at"),
        "dropped": _dropped(rollout.evidence.get("dropped", {}), folded),
    }


def _dropped(before: Mapping[str, int], folded: Folded) -> dict[str, int]:
    """How many ticks lacked something, by what they lacked."""
    return dict(Counter(before) + Counter(one.why for one in folded.dropped))
