"""The canary judge by simulation: how soon it fails a canary, and how often it errs, beside its design.

Simulated on all processors. The same recorded counts are then decided by what Flagger and Argo Rollouts
document (`controllers`). At last a tick over many live rollouts (`rollouts`).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

from bench import controllers, rollouts
from bench.figures import Figure, Target, figure, percentile
from bench.parts import PROCESSORS
from bench.sizes import Size
from canary.domain.judge import Limits
from tests.canary import simulate, together
from tests.canary.simulate import DESIGNED, HOUR, NO_FLOOR, STABLE, Case

BENCH = "judge"
ALPHA, BETA = Limits().alpha, Limits().beta
# The design's figures are whole seconds: one second more is no more than its rounding.
LOOSE, A_TICK = 1.2, 1.0
# Of the documented plan of Argo Rollouts, the longest of the three.
COMPARED_SECONDS = 2400
CLUMPS = ((5, STABLE), (20, STABLE), (5, 2 * STABLE), (20, 2 * STABLE))
WORSE = (0.3, 0.05, 0.02, 0.01, 0.005)
RARE = Limits(alpha=0.005)
# Runs that are folded side by side: enough for arrays to pay.
PART = 50
Made = Callable[[int], simulate.Recorded]
"""Makes the run of a number."""


def run(size: Size, folder: Path) -> list[Figure]:
    """The table first, then errors, then the others beside it, then what a tick costs."""
    parts = (_table(size), _late(size), _errors(size), _clumped(size), _compared(size))
    return [*chain(*parts), *rollouts.run(size, folder)]


def _designed(value: float) -> Target:
    return Target("at most", max(value * LOOSE, value + A_TICK))


def _table(size: Size) -> Iterator[Figure]:
    for (rate, share), (median, late, floored) in DESIGNED.items():
        name = f"{STABLE:.1%} -> {rate:.0%} at {share:.0%}"
        found = _seconds(simulate.regression(rate, share, NO_FLOOR), size)
        yield figure(BENCH, f"{name}: to FAIL", "s", found, _designed(median))
        yield figure(BENCH, f"{name}: 95 % of runs", "s", [percentile(found, 0.95)], _designed(late))
        family = simulate.regression(rate, share, simulate.family_of(Limits(), 5))
        yield figure(BENCH, f"{name}: 5 failures, alpha / 5", "s", _seconds(family, size), _designed(floored))


def _late(size: Size) -> Iterator[Figure]:
    case = Case(canary=0.01, onset=900, seconds=1200)
    yield figure(BENCH, "1 % at 5 %, from 900 s on: to FAIL", "s", _seconds(case, size), _designed(20))
    with ProcessPoolExecutor(len(PROCESSORS), initializer=simulate.remember_likelihoods) as pool:
        minutes = list(pool.map(simulate.ladder_minutes, range(size.simulated // 4 + 1)))
    yield figure(BENCH, "healthy through 1, 5 and 25 %", "min", minutes, Target("at most", 3.5 * LOOSE))


def _errors(size: Size) -> Iterator[Figure]:
    """At every look of an hour; the promise is of the family, so that two metrics each take half of alpha."""
    for share in (0.05, 0.5):
        case = Case(share=share, seconds=HOUR, seed=2)
        found = _failed(case, size.simulated_hours)
        name = f"healthy for an hour at {share:.0%}: rolled back"
        yield figure(BENCH, name, f"of {size.simulated_hours}", [found], Target("at most", ALPHA))
    wrong = Case(canary=3 * STABLE, seconds=600, kinds=("fail", "pass"), seed=3)
    passed = simulate.share_decided("pass", wrong, size.simulated, len(PROCESSORS))
    noise = 2 * (BETA * (1 - BETA) / size.simulated) ** 0.5
    name = "3x worse at 5 %: passed"
    yield figure(BENCH, name, f"of {size.simulated}", [passed], Target("at most", BETA + noise))


def _clumped(size: Size) -> Iterator[Figure]:
    """Failures in bursts, in both arms alike or in one: what the estimate of dispersion is for."""
    for share in (0.05, 0.5):
        for clump, rate in CLUMPS:
            case = Case(canary=rate, stable=rate, share=share, clump=clump, seconds=900, seed=4)
            found = _failed(case, size.simulated // 2)
            name = f"healthy at {share:.0%}, bursts of {clump} at {rate:.1%}: rolled back"
            yield figure(BENCH, name, f"of {size.simulated // 2}", [found])
        case = Case(canary=STABLE, share=share, clump=10, calm=True, seconds=900, seed=5)
        found = _failed(case, size.simulated)
        name = f"healthy at {share:.0%}, bursts of 10 at {STABLE:.1%} of the canary alone: rolled back"
        yield figure(BENCH, name, f"of {size.simulated}", [found])
        rare = partial(simulate.rare_bursts, share)
        found = _share(_fails(rare, size.simulated, RARE))
        name = f"healthy at {share:.0%}, rare bursts of 10: rolled back"
        yield figure(BENCH, name, f"of {size.simulated}", [found])


def _compared(size: Size) -> Iterator[Figure]:
    """The same counts under the three: seconds from the onset, what is missed or rolled back wrongly."""
    for rate in WORSE:
        case = Case(canary=rate, onset=60, seconds=COMPARED_SECONDS, seed=6)
        yield from _beside(f"{STABLE:.1%} -> {rate:g} at 5 %", case, size, healthy=False)
    healthy = {
        "healthy": Case(seconds=COMPARED_SECONDS, seed=7),
        "healthy, bursts of 20": Case(canary=0.002, stable=0.002, clump=20, seconds=COMPARED_SECONDS, seed=8),
        "an incident of both arms (10 %)": Case(incident=0.1, onset=60, seconds=COMPARED_SECONDS, seed=9),
    }
    for name, case in healthy.items():
        yield from _beside(name, case, size, healthy=True)


def _beside(name: str, case: Case, size: Size, *, healthy: bool) -> Iterator[Figure]:
    runs = _three(case, size.compared)
    for who, found in zip(("Sluice", "Flagger", "Argo Rollouts"), runs, strict=True):
        back = [seconds for seconds in found if seconds is not None]
        of = f"of {len(found)}"
        if healthy:
            yield figure(BENCH, f"{name}: {who} rolls back", of, [len(back)])
            continue
        yield figure(BENCH, f"{name}: {who} misses", of, [len(found) - len(back)])
        if back:
            yield figure(BENCH, f"{name}: {who}", "s", back)


def _three(case: Case, runs: int) -> list[list[float | None]]:
    """Seconds from the onset to the rollback of each run, by each of the three; None where there was none."""
    ours = _fails(partial(simulate.record, case), runs, case.limits)
    counts = [controllers.counts(simulate.record(case, run)) for run in range(runs)]
    theirs = [[_back(decide(one)) for one in counts] for decide in (controllers.flagger, controllers.argo)]
    return [[None if at is None else at - case.onset for at in found] for found in (ours, *theirs)]


def _back(decision: controllers.Decision) -> float | None:
    said, at = decision
    return float(at) if said == "rolled back" else None


def _seconds(case: Case, size: Size) -> list[float]:
    """Seconds from the onset to FAIL; those of a run that is never failed are all that it had."""
    found = _fails(partial(simulate.record, case), size.simulated, case.limits)
    return [(case.seconds if at is None else at) - case.onset for at in found]


def _failed(case: Case, runs: int) -> float:
    """The share of runs that are ever failed."""
    return _share(_fails(partial(simulate.record, case), runs, case.limits))


def _share(found: Sequence[float | None]) -> float:
    return sum(at is not None for at in found) / len(found)


def _fails(made: Made, runs: int, limits: Limits) -> list[float | None]:
    """When each run is failed, on all processors."""
    with ProcessPoolExecutor(len(PROCESSORS)) as pool:
        parts = pool.map(partial(_part, made, limits), range(0, runs, PART), [runs] * -(-runs // PART))
        return list(chain(*parts))


def _part(made: Made, limits: Limits, first: int, runs: int) -> list[float | None]:
    return together.seconds_to_fail([made(run) for run in range(first, min(runs, first + PART))], limits)
