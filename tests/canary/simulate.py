"""Simulated canaries: how soon the judge fails them, and how often it errs.

The figures beside them are those that the judge was designed with: 1,000 requests/s in all, 0.1 % of them
failing, one tick a second, requests independent except where said. `make bench BENCH=judge` measures all of
them with many runs; the tests run a small part. A run has a seed of its own, so that a part of them is the
same part on one processor or on several.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import log
from typing import Any

import numpy as np

from canary.domain import judge, odds, verdicts
from canary.domain.judge import Evidence, Limits, Tick, observe
from canary.domain.odds import Cell
from canary.domain.verdicts import Words

RATE = 1000
STABLE = 0.001
NO_FLOOR = Limits(min_failures=0, min_failing_ticks=0)
# (canary's rate, its share): median and 95 % seconds to FAIL without the floor, median with floor and alpha / 5.
DESIGNED = {
    (0.01, 0.01): (41, 115, 53),
    (0.01, 0.05): (10, 24, 13),
    (0.01, 0.10): (5, 15, 7),
    (0.05, 0.01): (4, 12, 10),
    (0.05, 0.05): (1, 3, 2),
    (0.05, 0.10): (1, 2, 1),
}
WORDS = Words()
USUAL = Limits()
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Case:
    """What is simulated, and what is waited for.

    Of `rate` requests a second the canary gets `share`; from `onset` (seconds) on it fails at `canary`, else
    as the control does at `stable` (0..1). `clump`: failures come in bursts of this mean size; `calm`: of the canary only. `incident`: so
    many fail in both arms from the onset on. `kinds` are the verdicts of which the first ends a run.
    """

    canary: float = STABLE
    share: float = 0.05
    seconds: int = HOUR
    onset: int = 0
    clump: float = 0
    calm: bool = False
    stable: float = STABLE
    incident: float | None = None
    rate: int = RATE
    limits: Limits = USUAL
    kinds: tuple[str, ...] = ("fail",)
    seed: int = 1

    @property
    def sizes(self) -> tuple[int, int]:
        """Requests a second of the canary and of the control."""
        canary = round(self.rate * self.share)
        return canary, self.rate - canary


@dataclass(frozen=True, slots=True)
class Recorded:
    """Failures of both arms, second by second."""

    n_c: int
    e_c: Any
    n_k: int
    e_k: Any

    def ticks(self) -> Iterator[Tick]:
        for t, (e_c, e_k) in enumerate(zip(self.e_c.tolist(), self.e_k.tolist(), strict=True)):
            yield Tick(float(t), {"": Cell(self.n_c, e_c, self.n_k, e_k)})


def errors(rng: np.random.Generator, n: int, rate: float, seconds: int, clump: float = 0) -> Any:
    """Failures a second: independent, or in bursts of geometric size with this mean."""
    if not clump:
        return rng.binomial(n, rate, seconds)
    bursts = rng.poisson(n * rate / clump, seconds)
    return np.array([min(n, int(rng.geometric(1 / clump, count).sum())) for count in bursts], dtype=int)


def record(case: Case, run: int) -> Recorded:
    """One run's counts; the same number gives the same ones."""
    rng = np.random.default_rng([case.seed, run])
    n_c, n_k = case.sizes
    later = case.seconds - case.onset
    bad = case.canary if case.incident is None else case.incident
    rest = case.stable if case.incident is None else case.incident
    e_c = [errors(rng, n_c, case.stable, case.onset, case.clump), errors(rng, n_c, bad, later, case.clump)]
    clump = 0 if case.calm else case.clump
    e_k = [errors(rng, n_k, case.stable, case.onset, clump), errors(rng, n_k, rest, later, clump)]
    return Recorded(n_c, np.concatenate(e_c), n_k, np.concatenate(e_k))


def decided(run: Iterator[Tick], limits: Limits, kinds: Sequence[str]) -> tuple[str, float] | None:
    """The first verdict of these kinds, and after how many seconds."""
    evidence = Evidence()
    for tick in run:
        evidence = observe(evidence, tick, limits)
        # A FAIL takes an e-value at its limit, and the evidence knows its largest: nothing else is weighed.
        if kinds == ("fail",) and evidence.peak < -log(limits.alpha):
            continue
        kind = verdicts.decide(evidence, limits, WORDS).kind
        if kind in kinds:
            return kind, tick.at + 1
    return None


def outcome(case: Case, run: int) -> tuple[str, float] | None:
    """How one run ends, and after how many seconds; None where nothing is decided."""
    return decided(record(case, run).ticks(), case.limits, case.kinds)


def outcomes(case: Case, runs: int, processes: int = 1) -> list[tuple[str, float] | None]:
    """How each run ends, in the order of their numbers."""
    if processes == 1:
        return [outcome(case, run) for run in range(runs)]
    with ProcessPoolExecutor(processes, initializer=remember_likelihoods) as pool:
        return list(pool.map(partial(outcome, case), range(runs), chunksize=max(1, runs // (8 * processes))))


def seconds_to_fail(case: Case, runs: int, processes: int = 1) -> list[float]:
    """Seconds from the onset to FAIL of each run; those of a run that is never failed are all that it had."""
    found = outcomes(case, runs, processes)
    return [(one[1] if one else case.seconds) - case.onset for one in found]


def share_decided(kind: str, case: Case, runs: int, processes: int = 1) -> float:
    """The share of runs that end with this verdict."""
    found = outcomes(case, runs, processes)
    return sum(one is not None and one[0] == kind for one in found) / runs


def regression(rate: float, share: float, limits: Limits) -> Case:
    """A canary that is worse from the beginning, with time enough to be found."""
    return Case(canary=rate, share=share, seconds=900 if share < 0.02 else 150, limits=limits)


def rare_bursts(share: float, run: int, size: int = 10) -> Recorded:
    """10 requests of one arm fail together, once in 100 s of 100 requests/s, and else nothing fails; 400 s.

    The burst hits the canary as often as its share of requests says.
    """
    rng = np.random.default_rng([5, run])
    n_c = round(100 * share)
    bursts = rng.poisson(0.01, 400)
    hit = rng.binomial(bursts, share)
    e_c, e_k = np.minimum(n_c, size * hit), np.minimum(100 - n_c, size * (bursts - hit))
    return Recorded(n_c, e_c, 100 - n_c, e_k)


def ladder_minutes(run: int) -> float:
    """Minutes of a healthy canary through 1 % (not 5x worse), 5 % (not 3x) and 25 % (not 2x)."""
    total = 0.0
    for step, (share, w1) in enumerate(((0.01, 5.0), (0.05, 3.0), (0.25, 2.0))):
        case = Case(share=share, seconds=1800, limits=Limits(w1=w1), kinds=("pass",), seed=30 + step)
        found = outcome(case, run)
        total += found[1] if found else case.seconds
    return total / 60


def family_of(limits: Limits, metrics: int) -> Limits:
    """One metric's share of the promise, where so many share it alike."""
    return replace(limits, alpha=limits.alpha / metrics)


def remember_likelihoods() -> None:
    """The same few counts come again and again here: keep their likelihoods. Changes no figure."""
    kept = lru_cache(maxsize=200_000)(lambda cells, grid: odds.log_likelihood(cells, np.frombuffer(grid)))
    setattr(judge, "log_likelihood", lambda cells, grid: kept(tuple(cells), grid.tobytes()))  # noqa: B010 (an import of the judge, replaced)
