"""Many simulated runs folded side by side, for what takes hundreds of hours, such as false alarms.

The same sums as the judge's, over arrays with a row for each run; a test holds them against the judge itself.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import log, pi
from typing import Any

import numpy as np

from canary.domain import judge
from canary.domain.judge import START_EVERY_SECONDS, Limits
from canary.domain.odds import Cell, log_likelihood
from tests.canary.simulate import Recorded


class _Arm:
    """How clumped one arm's failures are, run by run."""

    def __init__(self, n: int, runs: int) -> None:
        self._n = n
        self._last: Any = None
        self._total, self._weight = np.zeros(runs), np.zeros(runs)

    def add(self, failed: Any) -> None:
        """A tick's failures, beside those of the tick before."""
        last, self._last = self._last, failed
        if last is None:
            return
        n, both = 2 * self._n, last + failed
        seen = (both > 0) & (both < n)
        spread = np.where(seen, both * (n - both), 1)
        chi2 = ((failed - last) * self._n) ** 2 * (n - 1) / (self._n**2 * spread)
        self._total += np.where(seen, both * chi2, 0)
        self._weight += np.where(seen, both, 0)

    def clumped(self, prior: float, *others: "_Arm") -> Any:
        """Together with these arms."""
        arms = (self, *others)
        return (sum(arm._total for arm in arms) + prior) / (sum(arm._weight for arm in arms) + prior)


def seconds_to_fail(records: Sequence[Recorded], limits: Limits) -> list[float | None]:
    """Of each run: seconds to FAIL, None where there was none. All are of one length and of equal arms."""
    n_c, n_k, runs = records[0].n_c, records[0].n_k, len(records)
    e_c, e_k = np.array([one.e_c for one in records]), np.array([one.e_k for one in records])
    ratios = lru_cache(maxsize=None)(lambda c, k: _ratio(limits, Cell(n_c, c, n_k, k)))
    starts, logs = [1], np.zeros((runs, 1, len(limits.worse)))
    canary, control = _Arm(n_c, runs), _Arm(n_k, runs)
    found: list[float | None] = [None] * runs
    for t in range(e_c.shape[1]):
        latest = int(t // START_EVERY_SECONDS) + 1
        if starts[-1] < latest:
            starts, logs = [*starts, latest], np.concatenate([logs, np.zeros_like(logs[:, :1])], axis=1)
            if len(starts) > limits.starts_kept:
                starts, logs = [starts[0], *starts[2:]], np.delete(logs, 1, axis=1)
        pairs = zip(e_c[:, t].tolist(), e_k[:, t].tolist(), strict=True)
        logs += np.array([ratios(*pair) for pair in pairs])[:, None, :]
        canary.add(e_c[:, t])
        control.add(e_k[:, t])
        alone = canary.clumped(judge.CANARY_PHI_PRIOR)
        phi = np.maximum(1.0, np.maximum(canary.clumped(judge.PHI_PRIOR, control), alone))
        so_far = e_c[:, : t + 1]
        for run in np.flatnonzero(_log_fail(starts, logs, phi) >= -log(limits.alpha)).tolist():
            enough = so_far[run].sum() >= limits.min_failures
            often = (so_far[run] > 0).sum() >= limits.min_failing_ticks
            if found[run] is None and enough and often:
                found[run] = t + 1.0
        if None not in found:
            break
    return found


def _ratio(limits: Limits, cell: Cell) -> Any:
    """The log-likelihood ratio of each worse alternative against the limit."""
    found = log_likelihood([cell], np.log(np.array([*limits.worse, limits.w0])))
    return found[:-1] - found[-1]


def _log_fail(starts: list[int], logs: Any, phi: Any) -> Any:
    k = np.array(starts, dtype=np.float64)
    scaled = logs / phi[:, None, None]
    top = scaled.max(axis=(1, 2))
    mean = np.exp(scaled - top[:, None, None]).mean(axis=2)
    summed = top + np.log((mean * (6 / (pi**2 * k**2))).sum(axis=1))
    begun = (6 / (pi**2 * np.arange(1.0, k[-1] + 1) ** 2)).sum()
    return np.logaddexp(summed, log(1.0 - begun))
