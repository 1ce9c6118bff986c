"""Latency as counts: at every bucket edge of a histogram, how many requests were slower in each arm.

Each edge has a test of its own. The e-values for FAIL are averaged, which is an e-value whatever their
dependence: a sequential test of stochastic order, not of one quantile. For PASS every edge that can speak
must pass, so that to pass a slower canary wrongly the edge that it is slower at must be wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import exp, log

from canary.domain import verdicts
from canary.domain.judge import Counts, Evidence, Limits, Reading, e_value, weigh
from canary.domain.verdicts import Verdict, Words

# An edge that hardly anything was slower than, or hardly anything faster, cannot speak for a PASS.
MIN_EACH_SIDE = 30
# Starts kept at each edge: a histogram has 17 edges, and a rollout's evidence is one row.
STARTS = 8


Naming = Callable[[float], Words]


def part(name: str, edge: float) -> str:
    """What the evidence of one edge is kept as."""
    return f"{name}>{edge:.15g}"


def edge_of(name: str, part: str) -> float | None:
    """The edge of a part, or None where it is no part of this metric. Edges are above 0."""
    metric, _, edge = part.partition(">")
    return float(edge) if edge and metric == name else None


def edges(name: str, family: Mapping[str, Evidence]) -> dict[float, Evidence]:
    """A metric's evidence by edge."""
    known = ((edge_of(name, part), evidence) for part, evidence in family.items())
    return {edge: evidence for edge, evidence in known if edge is not None}


@dataclass(frozen=True, slots=True)
class Weighed:
    """All edges as one reading, and the edge that speaks loudest for FAIL with its evidence.

    Odds, their confidence and phi are that edge's; the p-value is always valid over all edges.
    """

    edge: float
    evidence: Evidence
    reading: Reading


def limits_of(limits: Limits) -> Limits:
    """A slow request is no failure, so that no share of them is negligible; and fewer starts are kept."""
    return replace(limits, negligible=None, starts_kept=STARTS)


def weigh_edges(edges: Mapping[float, Evidence], limits: Limits) -> Weighed:
    """Of one edge at least."""
    readings = {edge: weigh(one, limits) for edge, one in edges.items()}
    worst = max(readings, key=lambda edge: readings[edge].log_fail)
    speaking = [readings[edge].log_pass for edge, one in edges.items() if _speaks(one.step)]
    reading = replace(
        readings[worst],
        log_fail=_mean_log([one.log_fail for one in readings.values()]),
        log_pass=min(speaking, default=0.0),
        p=min(1.0, len(readings) * min(one.p for one in readings.values())),
    )
    return Weighed(worst, edges[worst], reading)


def decide(
    edges: Mapping[float, Evidence],
    limits: Limits,
    words: Naming,
    *,
    traffic_now: bool = True,
) -> Verdict:
    """As `verdicts.decide`, over all edges; `words` says "slower than" an edge."""
    if not any(one.counts.n_c and one.counts.n_k for one in edges.values()):
        return Verdict("no_data", "no requests were measured in both arms", None)
    weighed = weigh_edges(edges, limits)
    one, reading, named = weighed.evidence, weighed.reading, words(weighed.edge)
    rates = verdicts.rates(one.counts, named)
    said = f"{rates}: e-value {e_value(reading.log_fail):.2g} over all edges"
    enough = one.counts.e_c >= limits.min_failures and one.failing_ticks >= limits.min_failing_ticks
    if traffic_now and enough and reading.log_fail >= -log(limits.alpha):
        reason = f"{said} against a limit of {1 / limits.alpha:.4g}"
        return Verdict("fail", reason, reading, rates, weighed.edge)
    if traffic_now and reading.log_pass >= -log(limits.beta):
        reason = f"{said}; at every edge the canary is not {limits.w1:g}x as likely to be slower"
        return Verdict("pass", reason, reading, edge=weighed.edge)
    return Verdict("inconclusive", f"{said} of {1 / limits.alpha:.4g}", reading, edge=weighed.edge)


def duration(microseconds: float) -> str:
    """A bucket's edge in words: "250 us", "2.5 ms", "1 s"."""
    for unit, size in (("s", 1_000_000), ("ms", 1000)):
        if microseconds >= size:
            return f"{microseconds / size:g} {unit}"
    return f"{microseconds:g} us"


def _speaks(counts: Counts) -> bool:
    slower = counts.e_c + counts.e_k
    return min(slower, counts.n_c + counts.n_k - slower) >= MIN_EACH_SIDE


def _mean_log(logs: list[float]) -> float:
    top = max(logs)
    return top + log(sum(exp(one - top) for one in logs) / len(logs))
