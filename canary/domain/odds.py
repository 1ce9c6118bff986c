"""The likelihood of an odds ratio, given how many requests failed in two arms at the same time.

One cell is one proxy in one tick: of `n_c` canary attempts `e_c` failed, of `n_k` control attempts `e_k`.
Given the failures of both, m = e_c + e_k, and an odds ratio w, the canary's share of them follows Fisher's
non-central hypergeometric distribution:

    P(e_c = j) = C(n_c, j) C(n_k, m - j) w^j / Z(w),    Z(w) = sum_j C(n_c, j) C(n_k, m - j) w^j

The level of errors drops out, so an incident that hits both arms, the time of day or a change of weight says
nothing about w. Source: Turner, Ly & Gruenwald, arXiv 2106.02693.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]


class Cell(NamedTuple):
    """Attempts and failed attempts of the canary and of the control at one proxy in one tick."""

    n_c: int
    e_c: int
    n_k: int
    e_k: int

    def canary(self) -> tuple[int, int]:
        """Attempts and failures of the canary."""
        return self.n_c, self.e_c

    def control(self) -> tuple[int, int]:
        """Attempts and failures of the control."""
        return self.n_k, self.e_k

    @property
    def informative(self) -> bool:
        """Whether the failures could have been split otherwise."""
        failed = self.e_c + self.e_k
        return self.n_c > 0 and self.n_k > 0 and 0 < failed < self.n_c + self.n_k


NOTHING = Cell(0, 0, 0, 0)


def _log_choose(n: int, k: Floats) -> Floats:
    chosen: Floats = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return chosen


def log_normaliser(cell: Cell, log_w: Floats) -> Floats:
    """log Z(w) for each w of the grid: one row of terms per w, summed where they are largest."""
    failed = cell.e_c + cell.e_k
    j = np.arange(max(0, failed - cell.n_k), min(cell.n_c, failed) + 1, dtype=np.float64)
    ways = _log_choose(cell.n_c, j) + _log_choose(cell.n_k, failed - j)
    terms = ways[None, :] + log_w[:, None] * j[None, :]
    # logsumexp by hand: scipy's costs more than the whole sum at these sizes, and this runs for every tick.
    top = terms.max(axis=1)
    summed: Floats = top + np.log(np.exp(np.maximum(terms - top[:, None], -60.0)).sum(axis=1))
    return summed


def log_likelihood(cells: Sequence[Cell], log_w: Floats) -> Floats:
    """The log-likelihood of each odds ratio of the grid, up to a constant that is the same for all of them.

    Proxies are strata: their likelihoods multiply, so unequal weights on two proxies bias nothing.
    """
    total = np.zeros_like(log_w)
    for cell in cells:
        if cell.informative:
            total += cell.e_c * log_w - log_normaliser(cell, log_w)
    return total
