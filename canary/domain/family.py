"""The metrics that a rollout is judged by, as one family with one promise.

Alpha is split over the metrics by weight, so "a healthy canary is rolled back in at most alpha of rollouts"
holds for all of them together. A step up needs every metric to pass, which needs no split: to pass a harmful
canary wrongly, the metric that it harms must be wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from canary.domain import judge, verdicts
from canary.domain.judge import Evidence, Limits, Tick
from canary.domain.verdicts import Kind, Verdict, Words

Metric = Literal["first_attempt", "final"]
# What the canary does, not masked by retries, and what users feel.
WEIGHTS: Mapping[Metric, float] = {"first_attempt": 0.5, "final": 0.5}
OF: Mapping[Metric, str] = {"first_attempt": "first attempts", "final": "requests after retries"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """The family's verdict: what decided it, and each metric's own."""

    kind: Kind
    reason: str
    metric: Metric | None
    verdicts: Mapping[Metric, Verdict]


Family = Mapping[Metric, Evidence]
FamilyTick = Mapping[Metric, Tick]


def empty() -> Family:
    return {metric: Evidence() for metric in WEIGHTS}


def limits_of(limits: Limits, metric: Metric) -> Limits:
    """The metric's share of the promise."""
    return replace(limits, alpha=limits.alpha * WEIGHTS[metric])


def observe(family: Family, tick: FamilyTick, limits: Limits, *, earns: bool = True) -> Family:
    return {m: judge.observe(e, tick[m], limits_of(limits, m), earns=earns) for m, e in family.items()}


def begin_step(family: Family) -> Family:
    return {m: judge.begin_step(e) for m, e in family.items()}


def decide(
    family: Family, limits: Limits, *, canary: str, control: str, tick: FamilyTick | None
) -> Judgement:
    """FAIL as soon as one metric fails, PASS when all pass, NO_DATA when first attempts say nothing.

    `tick` is the newest one; None decides nothing but says where things stand.
    """
    found: dict[Metric, Verdict] = {
        metric: verdicts.decide(
            evidence,
            limits_of(limits, metric),
            Words(canary=canary, control=control, of=OF[metric]),
            traffic_now=tick is not None and _has_traffic(tick[metric]),
        )
        for metric, evidence in family.items()
    }
    for kind in ("fail", "no_data", "inconclusive"):
        for metric, verdict in found.items():
            if verdict.kind == kind:
                return Judgement(verdict.kind, verdict.reason, metric, found)
    first = found["first_attempt"]
    return Judgement("pass", first.reason, "first_attempt", found)


def _has_traffic(tick: Tick) -> bool:
    return tick.canary()[0] > 0 and tick.control()[0] > 0


def dump(family: Family) -> dict[str, Any]:
    return {metric: judge.dump(evidence) for metric, evidence in family.items()}


def load(saved: Mapping[str, Any]) -> Family:
    return {metric: judge.load(saved.get(metric, {})) for metric in WEIGHTS}
