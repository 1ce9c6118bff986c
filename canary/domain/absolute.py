"""The absolute rule: the canary's own failure rate against a limit, whatever the control does.

The lower confidence limit holds at all times (Robbins' mixture; Howard, Ramdas, McAuliffe & Sekhon, 2021):
with e of n failed and a Beta(1/2, 1/2) mixture over all rates,

    M(p) = B(1/2 + e, 1/2 + n - e) / B(1/2, 1/2) / (p^e (1 - p)^(n - e))

is a martingale under the true p, so that {p : M(p)^(1/phi) < 1/alpha} covers it always with 1 - alpha. FAIL
when its lower end passes the limit.
"""

from dataclasses import replace
from math import exp, log, pi

from scipy.special import betaln, xlog1py, xlogy

from canary.domain import judge, verdicts
from canary.domain.judge import Counts, Evidence, Limits, Reading, e_value
from canary.domain.verdicts import Verdict, Words

HALVINGS = 60


def log_e(counts: Counts, limit: float, phi: float) -> float:
    """The log e-value that the canary's failure rate is above `limit` (0..1); 0 where none was seen."""
    n, e = counts.n_c, counts.e_c
    if not n or e <= limit * n:
        return 0.0
    mixture = betaln(0.5 + e, 0.5 + n - e) - log(pi)
    return float(mixture - xlogy(e, limit) - xlog1py(n - e, -limit)) / phi


def lower_limit(counts: Counts, alpha: float, phi: float) -> float:
    """The rate (0..1) that the canary's exceeds, at all times with 1 - alpha."""
    low, high = 0.0, counts.e_c / counts.n_c if counts.n_c else 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        excluded = middle > 0 and log_e(counts, middle, phi) >= -log(alpha)
        low, high = (middle, high) if excluded else (low, middle)
    return low


def weigh(evidence: Evidence, limits: Limits, limit: float) -> Reading:
    """As the judge's; it never speaks for PASS, and the p-value is of now."""
    found = log_e(evidence.counts, limit, judge.phi(evidence))
    return replace(judge.weigh(evidence, limits), log_fail=found, log_pass=0.0, p=exp(-max(0.0, found)))


def decide(
    evidence: Evidence, limits: Limits, words: Words, *, limit: float, traffic_now: bool = True
) -> Verdict:
    """FAIL, or PASS where nothing speaks against it: the comparisons earn a step, not this."""
    counts = evidence.counts
    if not counts.n_c:
        return Verdict("no_data", f"{words.canary} had no {words.of}, so there is nothing to measure", None)
    reading = weigh(evidence, limits, limit)
    low = lower_limit(counts, limits.alpha, reading.phi)
    rates = (
        f"{words.canary} fails {verdicts.percent(counts.e_c, counts.n_c)} of {words.of} "
        f"({counts.e_c} of {counts.n_c})"
    )
    said = f"{rates}, more than {100 * low:.3g} % at all times, where {100 * limit:g} % may fail"
    if traffic_now and reading.log_fail >= -log(limits.alpha):
        if counts.e_c >= limits.min_failures and evidence.failing_ticks >= limits.min_failing_ticks:
            reason = (
                f"{said}: e-value {e_value(reading.log_fail):.2g} against a limit of {1 / limits.alpha:.4g}"
            )
            return Verdict("fail", reason, reading, rates)
        return Verdict("inconclusive", f"{said}, too few to act on", reading)
    return Verdict("pass" if traffic_now else "inconclusive", said, reading)
