"""The metrics that a rollout is judged by, as one family with one promise.

Alpha is split over the metrics by weight, so "a healthy canary is rolled back in at most alpha of rollouts"
holds for all of them together. A step up needs every metric to pass that is not only observed, which needs no
split: to pass a harmful canary wrongly, the metric that it harms must be wrong.

A family's evidence is kept by part: a counting metric is one part, a latency metric one an edge.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from canary.domain import absolute, judge, latency, sampled, verdicts
from canary.domain import saved as saved_form
from canary.domain.judge import Counts, Evidence, Limits, Reading, Tick
from canary.domain.metrics import DEFAULT, Action, Metric, share
from canary.domain.verdicts import Kind, Verdict, Words

OF = {"first_attempt": "first attempts", "final": "requests after retries", "slo": "requests after retries"}
SLOWER = {"added_latency": "has more than {} added in", "total_latency": "is slower than {} in"}

Family = Mapping[str, Evidence]
FamilyTick = Mapping[str, Tick]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The family's verdict: the metric that decided it, what a FAIL of that does, and each one's own."""

    kind: Kind
    reason: str
    metric: str | None
    verdicts: Mapping[str, Verdict]
    action: Action = "roll_back"


@dataclass(frozen=True, slots=True)
class Standing:
    """One metric as it stands. `part`: where its counts are. `edge` (microseconds): a latency's loudest."""

    metric: Metric
    part: str
    edge: float | None
    evidence: Evidence
    reading: Reading

    @property
    def counts(self) -> Counts:
        return self.evidence.counts


def empty() -> Family:
    return load({})


def limits_of(limits: Limits, name: str, metrics: Sequence[Metric] = DEFAULT) -> Limits:
    """The metric's share of the promise."""
    metric = next(one for one in metrics if one.name == name)
    own = replace(limits, alpha=limits.alpha * share(metrics, metric))
    if metric.kind == "sampled":
        return sampled.limits_of(own)
    return latency.limits_of(own) if metric.kind == "latency" else own


def observe(
    family: Family,
    tick: FamilyTick,
    limits: Limits,
    *,
    metrics: Sequence[Metric] = DEFAULT,
    earns: bool = True,
) -> Family:
    """The evidence with one more tick; see `judge.observe`."""
    observed = dict(family)
    for metric in metrics:
        own = limits_of(limits, metric.name, metrics)
        for part, counts in _parts(metric, tick):
            before = observed.get(part, Evidence())
            observed[part] = judge.observe(before, counts, own, earns=earns)
    return observed


def _parts(metric: Metric, tick: FamilyTick) -> Iterator[tuple[str, Tick]]:
    if metric.kind == "latency":
        yield from ((part, counts) for part, counts in tick.items() if latency.edge_of(metric.name, part))
    elif metric.kind != "sampled" or metric.name in tick:
        yield metric.name, tick["final" if metric.kind == "absolute" else metric.name]


def begin_step(family: Family) -> Family:
    return {part: judge.begin_step(evidence) for part, evidence in family.items()}


def decide(
    family: Family,
    limits: Limits,
    *,
    canary: str,
    control: str,
    tick: FamilyTick | None,
    metrics: Sequence[Metric] = DEFAULT,
    known: Collection[str] = (),
) -> Judgement:
    """FAIL as soon as one metric fails that may act, PASS when all pass, NO_DATA when one says nothing.

    A metric that rolls back goes before one that pauses, and of these one that fails anew before those that
    are `known` to fail; one that is only observed decides nothing. `tick` is the newest one; None decides
    nothing but says where things stand.
    """
    found = {
        metric.name: _verdict(metric, family, limits_of(limits, metric.name, metrics), canary, control, tick)
        for metric in metrics
    }
    acting = [metric for metric in metrics if metric.action != "observe"]
    for action in ("roll_back", "pause"):
        for metric in sorted(acting, key=lambda one: one.name in known):
            if metric.action == action and found[metric.name].kind == "fail":
                return Judgement("fail", found[metric.name].reason, metric.name, found, metric.action)
    for kind in ("no_data", "inconclusive"):
        for metric in acting:
            if found[metric.name].kind == kind:
                return Judgement(found[metric.name].kind, found[metric.name].reason, metric.name, found)
    earning = next(metric for metric in acting if metric.kind != "absolute")
    return Judgement("pass", found[earning.name].reason, earning.name, found)


def _verdict(
    metric: Metric, family: Family, limits: Limits, canary: str, control: str, tick: FamilyTick | None
) -> Verdict:
    alone = metric.kind == "absolute"
    now = tick is not None and any(_has_traffic(counts, alone) for _, counts in _parts(metric, tick))
    if metric.kind == "latency":
        edges = latency.edges(metric.name, family)
        return latency.decide(edges, limits, _slower(metric, canary, control), traffic_now=now)
    evidence = family.get(metric.name, Evidence())
    if metric.kind == "sampled":
        return sampled.decide(evidence, limits, metric, canary=canary, control=control, now=now)
    words = Words(canary=canary, control=control, of=OF[metric.name])
    if metric.kind == "counts":
        return verdicts.decide(evidence, limits, words, traffic_now=now)
    if metric.limit is None:
        return Verdict("no_data", "no objective of the route says what may fail", None)
    return absolute.decide(evidence, limits, words, limit=metric.limit, traffic_now=now)


def _slower(metric: Metric, canary: str, control: str) -> latency.Naming:
    def named(edge: float) -> Words:
        fails = SLOWER[metric.name].format(latency.duration(edge))
        return Words(canary=canary, control=control, of="requests", fails=fails)

    return named


def _has_traffic(tick: Tick, alone: bool) -> bool:
    """`alone`: the canary is compared with no other arm."""
    return tick.canary()[0] > 0 and (alone or tick.control()[0] > 0)


def standings(family: Family, limits: Limits, metrics: Sequence[Metric] = DEFAULT) -> tuple[Standing, ...]:
    """Every metric of the plan, in its order, measured or not."""
    return tuple(_standing(metric, family, limits_of(limits, metric.name, metrics)) for metric in metrics)


def _standing(metric: Metric, family: Family, limits: Limits) -> Standing:
    edges = latency.edges(metric.name, family)
    if edges:
        weighed = latency.weigh_edges(edges, limits)
        part = latency.part(metric.name, weighed.edge)
        return Standing(metric, part, weighed.edge, weighed.evidence, weighed.reading)
    evidence = family.get(metric.name, Evidence())
    if metric.limit is not None:
        return Standing(metric, "final", None, evidence, absolute.weigh(evidence, limits, metric.limit))
    return Standing(metric, metric.name, None, evidence, judge.weigh(evidence, limits))


def dump(family: Family) -> dict[str, Any]:
    return {part: saved_form.dump(evidence) for part, evidence in family.items()}


def load(saved: Mapping[str, Any]) -> Family:
    """The evidence by part; what every plan counts is there from the beginning."""
    counted = {metric.name: Evidence() for metric in DEFAULT}
    return {**counted, **{part: saved_form.load(evidence) for part, evidence in saved.items()}}
