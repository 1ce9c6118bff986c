"""Points of any PromQL, judged in sequence: how often is the canary's the worse of two of one moment?

Each moment gives one point an arm, and the worse of the two is counted as its arm's failure (see
`Metric.compared`). Given that they differ, P(the canary's is worse) = w / (1 + w), so that the judge's odds
ratio is Mann and Whitney's odds of points that belong together, and its e-values hold however often one
looks: their own test must be looked at once (`samples`). What moves both arms alike cancels out.
"""

from dataclasses import replace

from canary.domain import verdicts
from canary.domain.judge import Evidence, Limits
from canary.domain.metrics import Metric
from canary.domain.samples import MIN_POINTS
from canary.domain.verdicts import Verdict, Words


def limits_of(limits: Limits) -> Limits:
    """No share of worse points is negligible."""
    return replace(limits, negligible=None)


def decide(
    evidence: Evidence, limits: Limits, metric: Metric, *, canary: str, control: str, now: bool
) -> Verdict:
    """As `verdicts.decide`, with nothing decided before MIN_POINTS points an arm."""
    if not evidence.counts.n_c:
        return Verdict("no_data", f"{metric.name} gave no point of both arms at one moment", None)
    words = Words(
        canary=canary, control=control, of=f"points of {metric.name}", fails=f"is the {metric.worse} one at"
    )
    verdict = verdicts.decide(evidence, limits, words, traffic_now=now)
    if evidence.counts.n_c < MIN_POINTS and verdict.kind != "no_data":
        few = f"{evidence.counts.n_c} points of {metric.name}: at least {MIN_POINTS} an arm are needed"
        return replace(verdict, kind="inconclusive", reason=few)
    return verdict
