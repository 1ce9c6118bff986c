"""Measures the judge by simulation: time to FAIL, false alarms, wrong PASSes, clumped errors, late onset.

    python tests/canary/simulate.py [--runs 400] [--json]

The figures beside them are those that the judge was designed with: 1,000 requests/s in all, 0.1 % of them
failing, one tick a second. `table` returns rows for the benchmark; the tests run a small part of it.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from canary.domain import judge, odds, verdicts
from canary.domain.judge import Evidence, Limits, Tick, observe
from canary.domain.odds import Cell
from canary.domain.verdicts import Words

RATE = 1000
STABLE = 0.001
NO_FLOOR = {"min_failures": 0, "min_failing_ticks": 0}
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


def errors(rng: np.random.Generator, n: int, rate: float, seconds: int, clump: float = 0) -> Any:
    """Failures a second: independent, or in bursts of geometric size with this mean."""
    if not clump:
        return rng.binomial(n, rate, seconds)
    bursts = rng.poisson(n * rate / clump, seconds)
    return np.array([min(n, int(rng.geometric(1 / clump, count).sum())) for count in bursts])


def ticks(
    rng: np.random.Generator,
    share: float,
    canary: float,
    seconds: int,
    *,
    onset: int = 0,
    clump: float = 0,
    stable: float = STABLE,
) -> Iterator[Tick]:
    """One run: the canary fails at `canary` from second `onset` on, as the control does before."""
    n_c = round(RATE * share)
    n_k = RATE - n_c
    before = errors(rng, n_c, stable, onset, clump) if onset else []
    e_c = [*before, *errors(rng, n_c, canary, seconds - onset, clump)]
    e_k = errors(rng, n_k, stable, seconds, clump)
    for t in range(seconds):
        yield Tick(float(t), {"": Cell(n_c, int(e_c[t]), n_k, int(e_k[t]))})


def decided(run: Iterator[Tick], limits: Limits, kinds: tuple[str, ...]) -> tuple[str, float] | None:
    """The first verdict of these kinds, and after how many seconds."""
    evidence = Evidence()
    for tick in run:
        evidence = observe(evidence, tick, limits)
        kind = verdicts.decide(evidence, limits, WORDS).kind
        if kind in kinds:
            return kind, tick.at + 1
    return None


def seconds_to_fail(
    rate: float, share: float, *, runs: int, limits: Limits, seed: int = 1, onset: int = 0
) -> tuple[float, float]:
    """Median and 95 % quantile of seconds from the onset to FAIL."""
    rng = np.random.default_rng(seed)
    horizon = onset + (600 if share < 0.02 else 150)
    found = [decided(ticks(rng, share, rate, horizon, onset=onset), limits, ("fail",)) for _ in range(runs)]
    times = [one[1] - onset if one else horizon - onset for one in found]
    return float(np.median(times)), float(np.quantile(times, 0.95))


def share_decided(kind: str, *, rate: float, share: float, seconds: int, runs: int, seed: int = 2) -> float:
    """The share of runs that end with this verdict (FAIL looked for to the end, PASS until either)."""
    rng = np.random.default_rng(seed)
    kinds = ("fail",) if kind == "fail" else ("fail", "pass")
    found = [decided(ticks(rng, share, rate, seconds), Limits(), kinds) for _ in range(runs)]
    return sum(one is not None and one[0] == kind for one in found) / runs


def false_alarms_in_bursts(
    clump: float, *, rate: float, runs: int, share: float = 0.05, seconds: int = 900, seed: int = 4
) -> float:
    """The share of healthy canaries that are failed while failures come in bursts in both arms."""
    rng = np.random.default_rng(seed)
    found = [
        decided(ticks(rng, share, rate, seconds, clump=clump, stable=rate), Limits(), ("fail",))
        for _ in range(runs)
    ]
    return sum(one is not None for one in found) / runs


def false_alarms_in_rare_bursts(share: float, *, runs: int, seed: int = 5) -> float:
    """The same where 10 requests of one arm fail together, once in 100 s, and else nothing fails.

    100 requests/s; the burst hits the canary as often as its share of them says; 400 s.
    """
    rng = np.random.default_rng(seed)
    found = [decided(_rare_bursts(rng, share), Limits(alpha=0.005), ("fail",)) for _ in range(runs)]
    return sum(one is not None for one in found) / runs


def _rare_bursts(rng: np.random.Generator, share: float, size: int = 10) -> Iterator[Tick]:
    n_c = round(100 * share)
    for t in range(400):
        bursts = int(rng.poisson(0.01))
        hit = int(rng.binomial(bursts, share))
        e_c, e_k = min(n_c, size * hit), min(100 - n_c, size * (bursts - hit))
        yield Tick(float(t), {"": Cell(n_c, e_c, 100 - n_c, e_k)})


def healthy_ladder(*, runs: int, seed: int = 3) -> float:
    """Median minutes of a healthy canary through 1 % (not 5x worse), 5 % (3x) and 25 % (2x)."""
    rng = np.random.default_rng(seed)
    totals = []
    for _ in range(runs):
        total = 0.0
        for share, w1 in ((0.01, 5.0), (0.05, 3.0), (0.25, 2.0)):
            found = decided(ticks(rng, share, STABLE, 1800), Limits(w1=w1), ("pass",))
            total += found[1] if found else 1800.0
        totals.append(total)
    return float(np.median(totals)) / 60


def table(runs: int) -> list[dict[str, Any]]:
    """Every figure with the one it was designed for."""
    rows: list[dict[str, Any]] = []

    def row(what: str, measured: float, designed: str) -> None:
        rows.append({"figure": what, "measured": round(measured, 3), "designed": designed})

    split = Limits(alpha=0.01 / 5)
    for (rate, share), (median, late, floored) in DESIGNED.items():
        name = f"0.1 % -> {rate:.0%} at {share:.0%}"
        got = seconds_to_fail(rate, share, runs=runs, limits=Limits(**NO_FLOOR))
        row(f"{name}: median s to FAIL", got[0], str(median))
        row(f"{name}: 95 % s to FAIL", got[1], str(late))
        floor = seconds_to_fail(rate, share, runs=runs, limits=split)[0]
        row(f"{name}: median s, 5 failures and alpha / 5", floor, str(floored))
    few = max(runs // 4, 20)
    row(
        "late onset at 900 s, 1 % at 5 %: median s",
        seconds_to_fail(0.01, 0.05, runs=few, limits=Limits(), onset=900)[0],
        "20",
    )
    row(
        "false alarms in 3,600 looks",
        share_decided("fail", rate=STABLE, share=0.05, seconds=3600, runs=few),
        "0.003-0.008",
    )
    for share in (0.05, 0.5):
        for clump, rate in ((5, STABLE), (20, STABLE), (5, 2 * STABLE), (20, 2 * STABLE)):
            alarms = false_alarms_in_bursts(clump, rate=rate, runs=runs, share=share)
            row(
                f"false alarms, bursts of {clump} at {rate:.1%}, {share:.0%}, 900 looks", alarms, "about 0.01"
            )
        rare = false_alarms_in_rare_bursts(share, runs=2 * runs)
        row(f"false alarms, rare bursts of 10, {share:.0%}, 400 looks", rare, "about 0.005")
    row(
        "wrong PASS at odds ratio 3",
        share_decided("pass", rate=3 * STABLE, share=0.05, seconds=600, runs=runs),
        "0.047",
    )
    row("healthy ladder: median minutes", healthy_ladder(runs=few), "3.5")
    return rows


def remember_likelihoods() -> None:
    """The same few counts come again and again here: keep their likelihoods. Changes no figure."""
    kept = lru_cache(maxsize=200_000)(lambda cells, grid: odds.log_likelihood(cells, np.frombuffer(grid)))
    setattr(judge, "log_likelihood", lambda cells, grid: kept(tuple(cells), grid.tobytes()))  # noqa: B010 (an import of the judge, replaced)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    remember_likelihoods()
    rows = table(options.runs)
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    for one in rows:
        sys.stdout.write(f"{one['figure']:<60} {one['measured']:>9g}   designed {one['designed']}\n")


if __name__ == "__main__":
    main()
