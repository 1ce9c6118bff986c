"""The sequential test of one metric: is the canary worse than the control that runs beside it?

A pure fold. `observe` adds one tick to the evidence, `weigh` reads e-values from it. The same ticks give the
same e-value, and so does evidence that was saved and restored: a verdict can be replayed.

With LR_t(w) the likelihood ratio of odds ratio w against the limit w0 in tick t, the evidence for FAIL is

    E_T = sum_k weight_k * mean_g prod_{s_k < t <= T} LR_t(w_g) ^ (1/phi),   weight_k = 6 / (pi^2 k^2)

over start times s_k, a new one every 30 s, so that a regression that begins late is found as fast as an early
one. By Ville's inequality P(E ever reaches 1/alpha) <= alpha for a canary that is not worse than w0, however
often one looks. PASS is the mirror against w1, from the beginning of the step. Sources: Lindon & Malek, arXiv
2011.03567; Turner, Ly & Gruenwald, arXiv 2106.02693; Lindon, Sanden & Shirikian, arXiv 2205.14762.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import exp, log, pi

import numpy as np

from canary.domain.odds import NOTHING, Cell, Floats, log_likelihood

WORSE = (1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 35.0, 60.0, 100.0)
NOT_WORSE = (0.1, 0.3, 0.6, 1.0)
# Odds ratios of the confidence sequence: 0.01 to 1000, each 1.47 times the one before.
RATIOS = tuple(float(w) for w in np.geomspace(0.01, 1000.0, 31))
RATIO_MISS = 0.05
NEGLIGIBLE_SHARES = (1e-6, 0.1, 0.3)
START_EVERY_SECONDS = 30.0
# The first start and the latest 39 are kept. Leaving one out only lowers E, so alpha holds.
STARTS_KEPT = 40
# Failures' worth of belief in independent errors before they have shown how clumped they are: those of both
# arms together, and the canary's alone, which are few, so that chance makes them look clumped.
PHI_PRIOR, CANARY_PHI_PRIOR = 5.0, 20.0


@dataclass(frozen=True, slots=True)
class Tick:
    """The counts of one scrape interval that ended at `at` (unix seconds), by proxy."""

    at: float
    cells: Mapping[str, Cell]

    def canary(self) -> tuple[int, int]:
        return _summed(cell.canary() for cell in self.cells.values())

    def control(self) -> tuple[int, int]:
        return _summed(cell.control() for cell in self.cells.values())


def _summed(arms: Iterable[tuple[int, int]]) -> tuple[int, int]:
    counts = list(arms)
    return sum(n for n, _ in counts), sum(e for _, e in counts)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is promised, and the guards. The guards only delay a FAIL, so alpha keeps.

    alpha: chance that a canary not worse than odds ratio w0 is ever failed. beta: chance that one whose odds
    ratio is w1 or more is passed at a step. negligible: a failure rate (0..1) below which a canary is
    harmless whatever its odds ratio; None judges by the ratio alone. starts_kept: how many starts at most.
    """

    alpha: float = 0.01
    beta: float = 0.05
    w0: float = 1.0
    w1: float = 3.0
    min_failures: int = 5
    min_failing_ticks: int = 2
    negligible: float | None = None
    starts_kept: int = STARTS_KEPT

    def __post_init__(self) -> None:
        for name in ("alpha", "beta"):
            if not 0 < getattr(self, name) < 1:
                raise BadLimit(name, "must lie between 0 and 1")
        if not 0 < self.w0 < WORSE[-1]:
            raise BadLimit("w0", f"must be above 0 and below {WORSE[-1]:g}")
        if not self.w0 < self.w1 <= RATIOS[-1]:
            raise BadLimit("w1", f"must be above w0 ({self.w0:g}) and at most {RATIOS[-1]:g}")
        if self.negligible is not None and not 0 < self.negligible < 1:
            raise BadLimit("negligible", "must lie between 0 and 1")

    @property
    def worse(self) -> Floats:
        return np.array([w for w in WORSE if w > self.w0])

    @property
    def not_worse(self) -> Floats:
        return np.array([w for w in NOT_WORSE if w < self.w1])


class BadLimit(ValueError):
    """A limit makes no sense; `field` names it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.field = name
        self.why = why


@dataclass(frozen=True, slots=True)
class Counts:
    """Attempts and failures of both arms, summed over proxies and ticks."""

    n_c: int = 0
    e_c: int = 0
    n_k: int = 0
    e_k: int = 0

    def plus(self, tick: Tick) -> "Counts":
        canary, control = tick.canary(), tick.control()
        return Counts(
            self.n_c + canary[0], self.e_c + canary[1], self.n_k + control[0], self.e_k + control[1]
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the test remembers of one metric. Plain numbers: `saved` keeps them exactly.

    starts: (k, log-likelihood ratio of each worse alternative since start k). mirror: the same against w1
    since the step began; rate: against the negligible rate. ratios: log-likelihood of each odds ratio of
    RATIOS. clumping (of the control) and canary_clumping: weighted sum of chi^2 and its weight. last: each
    proxy's newest cell. peak: the largest log e-value so far.
    """

    ticks: int = 0
    failing_ticks: int = 0
    began: float | None = None
    at: float | None = None
    counts: Counts = field(default_factory=Counts)
    step: Counts = field(default_factory=Counts)
    starts: tuple[tuple[int, tuple[float, ...]], ...] = ()
    mirror: tuple[float, ...] = ()
    rate: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    clumping: tuple[float, float] = (0.0, 0.0)
    canary_clumping: tuple[float, float] = (0.0, 0.0)
    last: Mapping[str, Cell] = field(default_factory=dict)
    peak: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What the evidence says now. log_fail and log_pass are natural logs of e-values; p is always valid."""

    log_fail: float
    log_pass: float
    phi: float
    p: float
    odds: float | None
    low: float
    high: float | None


def observe(evidence: Evidence, tick: Tick, limits: Limits, *, earns: bool = True) -> Evidence:
    """The evidence with one more tick. Ticks come in the order of time; a dropped tick is just not given.

    `earns` is False in a tick that cannot speak for the present step, since its weights are not obeyed yet:
    such a tick may fail the canary and never pass it.
    """
    began = tick.at if evidence.began is None else evidence.began
    worse, not_worse = limits.worse, limits.not_worse
    logs = log_likelihood(list(tick.cells.values()), _grid(limits))
    a, b = len(worse), len(worse) + len(not_worse)
    failed = tick.canary()[1]
    added = replace(
        evidence,
        ticks=evidence.ticks + 1,
        failing_ticks=evidence.failing_ticks + (failed > 0),
        began=began,
        at=tick.at,
        counts=evidence.counts.plus(tick),
        starts=_add_to_starts(
            evidence.starts, logs[:a] - logs[b], since=tick.at - began, kept=limits.starts_kept
        ),
        ratios=_add(evidence.ratios, logs[b + 2 :]),
        clumping=_add_clumping(evidence.clumping, evidence.last, tick, Cell.control),
        canary_clumping=_add_clumping(evidence.canary_clumping, evidence.last, tick, Cell.canary),
        last={**evidence.last, **tick.cells},
    )
    if earns:
        added = replace(
            added,
            step=evidence.step.plus(tick),
            mirror=_add(evidence.mirror, logs[a:b] - logs[b + 1]),
            rate=_add(evidence.rate, _rate_ratio(tick.canary(), limits.negligible)),
        )
    return replace(added, peak=max(evidence.peak, _log_fail(added)))


@lru_cache(maxsize=1024)
def _grid(limits: Limits) -> Floats:
    """The logs of all odds ratios of which a tick's likelihood is needed. Not to be written to."""
    grid: Floats = np.log(np.concatenate([limits.worse, limits.not_worse, [limits.w0, limits.w1], RATIOS]))
    return grid


def begin_step(evidence: Evidence) -> Evidence:
    """Forget what earned the last PASS: a step is judged by its own ticks. What speaks for FAIL is kept."""
    return replace(evidence, step=Counts(), mirror=(), rate=())


def weigh(evidence: Evidence, limits: Limits) -> Reading:
    """The e-values, the dispersion and the odds ratio with its 95 % confidence sequence."""
    low, high = _confidence(evidence)
    return Reading(
        log_fail=_log_fail(evidence),
        log_pass=_log_pass(evidence, limits),
        phi=phi(evidence),
        p=exp(-evidence.peak),
        odds=odds_ratio(evidence.counts),
        low=low,
        high=high,
    )


def attempts_to_pass(evidence: Evidence, limits: Limits, *, most: int) -> int | None:
    """How many more attempts of the canary, none of them failing, would pass it by its failure rate alone.

    0 when it passes already; None when `most` are too few, or a rate is no reason to pass.
    """
    if limits.negligible is None:
        return 0 if _log_pass(evidence, limits) >= -log(limits.beta) else None
    each = _rate_ratio((1, 0), limits.negligible)

    def passes(more: int) -> bool:
        ahead = replace(evidence, rate=_add(evidence.rate, more * each))
        return _log_pass(ahead, limits) >= -log(limits.beta)

    found = bisect_left(range(most + 1), True, key=passes)
    return found if found <= most else None


def odds_ratio(counts: Counts) -> float | None:
    """The canary's odds of failing over the control's; None while an arm has no attempts or nothing failed.

    Half a failure is added to each count, so that a control without failures gives a number (Haldane). With
    no failure in either arm that number would only be the ratio of the arms' sizes.
    """
    if not counts.n_c or not counts.n_k or not counts.e_c + counts.e_k:
        return None
    canary = (counts.e_c + 0.5) / (counts.n_c - counts.e_c + 0.5)
    return canary / ((counts.e_k + 0.5) / (counts.n_k - counts.e_k + 0.5))


def phi(evidence: Evidence) -> float:
    """How clumped failures are: 1 for independent ones, never less.

    Pearson's chi^2 (one degree of freedom) between consecutive ticks of one proxy's arm, averaged with the
    number of failures as weight: failures in bursts of size s then give E[s^2] / E[s]. A healthy canary's
    failures are clumped as the control's are, so both arms tell of it together. The canary's count besides:
    where it alone is clumped, a large control would hide it. A canary that fails steadily is not clumped, so
    its regression is found as fast.
    """
    (total, weight), (more, of) = evidence.canary_clumping, evidence.clumping
    both = _clumped(total + more, weight + of, PHI_PRIOR)
    return max(1.0, both, _clumped(total, weight, CANARY_PHI_PRIOR))


def _clumped(total: float, weight: float, prior: float) -> float:
    return (total + prior) / (weight + prior)


def _add(before: tuple[float, ...], more: Floats) -> tuple[float, ...]:
    return tuple((np.array(before) + more).tolist() if before else more.tolist())


def _add_to_starts(
    starts: tuple[tuple[int, tuple[float, ...]], ...], ratio: Floats, *, since: float, kept: int
) -> tuple[tuple[int, tuple[float, ...]], ...]:
    latest = int(since // START_EVERY_SECONDS) + 1
    if not starts or starts[-1][0] < latest:
        starts = (*starts, (latest, (0.0,) * len(ratio)))
    few = starts if len(starts) <= kept else (starts[0], *starts[2:])
    if not ratio.any():
        return few
    added = (np.array([logs for _, logs in few]) + ratio).tolist()
    return tuple((k, tuple(logs)) for (k, _), logs in zip(few, added, strict=True))


def _rate_ratio(canary: tuple[int, int], negligible: float | None) -> Floats:
    """Log-likelihood ratios of rates well below the negligible one, against it."""
    if negligible is None:
        return np.zeros(0)
    n, e = canary
    rates = negligible * np.array(NEGLIGIBLE_SHARES)
    ratio: Floats = e * np.log(rates / negligible) + (n - e) * np.log((1 - rates) / (1 - negligible))
    return ratio


def _add_clumping(
    clumping: tuple[float, float],
    last: Mapping[str, Cell],
    tick: Tick,
    arm: Callable[[Cell], tuple[int, int]],
) -> tuple[float, float]:
    total, weight = clumping
    for proxy, cell in tick.cells.items():
        (n0, e0), (n1, e1) = arm(last.get(proxy, NOTHING)), arm(cell)
        n, failed = n0 + n1, e0 + e1
        if not n0 or not n1 or not 0 < failed < n:
            continue
        # (n - 1) / n makes its expectation exactly 1 under independence, however few failed.
        chi2 = (e1 * n0 - e0 * n1) ** 2 * (n - 1) / (n0 * n1 * failed * (n - failed))
        total, weight = total + failed * chi2, weight + failed
    return total, weight


def _log_fail(evidence: Evidence) -> float:
    if not evidence.starts:
        return 0.0
    k = np.array([start for start, _ in evidence.starts], dtype=np.float64)
    logs = np.array([ratio for _, ratio in evidence.starts]) / phi(evidence)
    top = logs.max(axis=1)
    running = top + np.log(np.exp(logs - top[:, None]).mean(axis=1)) + np.log(6 / (pi**2 * k**2))
    # Starts still to come have seen nothing: their e-value is 1. One that was left out counts as 0.
    return float(np.logaddexp(_log_sum(running), _log_to_come(int(k[-1]))))


@lru_cache(maxsize=4096)
def _log_to_come(begun: int) -> float:
    """The log of the weight of all starts after this one."""
    return log(1.0 - float((6 / (pi**2 * np.arange(1.0, begun + 1) ** 2)).sum()))


def _log_sum(logs: Floats) -> float:
    """As scipy's logsumexp, which costs more than all else at these sizes."""
    top = float(logs.max())
    return top + log(float(np.exp(logs - top).sum()))


def _log_mean(logs: tuple[float, ...], scale: float) -> float:
    return _log_sum(np.array(logs) / scale) - log(len(logs)) if logs else 0.0


def _log_pass(evidence: Evidence, limits: Limits) -> float:
    """Not worse than w1, or negligible: harm needs both, so the mean of the two e-values is one for harm."""
    scale = phi(evidence)
    mirror = _log_mean(evidence.mirror, scale)
    if limits.negligible is None:
        return mirror
    return float(np.logaddexp(mirror, _log_mean(evidence.rate, scale))) - log(2)


def _confidence(evidence: Evidence) -> tuple[float, float | None]:
    """The odds ratios that the data do not exclude, by the prior-posterior ratio (Waudby-Smith & Ramdas).

    {w : mean_v L(v) / L(w) < 1 / 0.05} covers the true ratio at all times with 95 %. Widened to the next grid
    points, since the true ratio lies between two of them. 0 and None are "no limit".
    """
    if not evidence.ratios:
        return 0.0, None
    logs = np.array(evidence.ratios) / phi(evidence)
    inside = np.flatnonzero(_log_sum(logs) - log(len(logs)) - logs < -log(RATIO_MISS))
    first, last = int(inside[0]), int(inside[-1])
    return (RATIOS[first - 1] if first else 0.0), (RATIOS[last + 1] if last + 1 < len(RATIOS) else None)


def e_value(log_e: float) -> float:
    """An e-value from its log, cut off where a float (and JSON) has no number for it."""
    return exp(min(log_e, 700.0))
