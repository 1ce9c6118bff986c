"""Two samples of any metric compared once: for what is not a count, such as a gauge or a business metric.

The figure is the odds that a canary's point is above a control's (ties count half):

    theta = P(X > Y) + P(X = Y) / 2,    odds = theta / (1 - theta)

FAIL by Mann and Whitney's test at alpha; PASS when the upper 1 - beta limit of the odds is below w1, by the
placement values of DeLong, DeLong & Clarke-Pearson (1988). One look only: unlike counts, it must not be
repeated while points come in.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any, Literal, get_args

import numpy as np
from scipy.stats import mannwhitneyu, norm

from canary.domain.judge import Limits
from canary.domain.odds import Floats

Direction = Literal["increase", "decrease", "either"]
DIRECTIONS: tuple[str, ...] = get_args(Direction)
# Below it the normal approximation and any decision are too coarse; Kayenta asks for 50.
MIN_POINTS = 20
WORDS = {"increase": "higher", "decrease": "lower", "either": "different"}


def judge(
    *, canary: Sequence[float], control: Sequence[float], direction: Direction, limits: Limits
) -> dict[str, Any]:
    """The verdict as JSON values; `at` and `e_value` are null since this test is not sequential.

    `direction` is the change that counts as worse.
    """
    answer: dict[str, Any] = {"verdict": "no_data", "at": None, "e_value": None, "min_points": MIN_POINTS}
    if not canary or not control:
        arm = "canary" if not canary else "control"
        return {**answer, "reason": f"the {arm} has no points, so there is nothing to compare"}
    if min(len(canary), len(control)) < MIN_POINTS:
        few = f"{len(canary)} and {len(control)} points: at least {MIN_POINTS} an arm are needed"
        return {**answer, "verdict": "inconclusive", "reason": few}
    x, y = np.asarray(canary), np.asarray(control)
    p = _p_value(x, y, direction)
    theta, error = _superiority(x, y)
    bound = norm.ppf(1 - limits.beta) * error
    worst = {
        "increase": theta + bound,
        "decrease": 1 - theta + bound,
        "either": abs(theta - 0.5) + 0.5 + bound,
    }
    kind = "inconclusive"
    if p <= limits.alpha:
        kind = "fail"
    elif worst[direction] < limits.w1 / (1 + limits.w1):
        kind = "pass"
    return {
        **answer,
        "verdict": kind,
        "reason": (
            f"the canary's median is {np.median(x):.4g} ({len(x)} points), the control's {np.median(y):.4g} "
            f"({len(y)} points): p = {p:.2g} against {limits.alpha:g} that it is {WORDS[direction]}"
        ),
        "p_value": p,
        "superiority": theta,
    }


def _p_value(x: Floats, y: Floats, direction: Direction) -> float:
    if np.ptp(np.concatenate([x, y])) == 0:
        return 1.0
    alternative = {"increase": "greater", "decrease": "less", "either": "two-sided"}[direction]
    return float(mannwhitneyu(x, y, alternative=alternative).pvalue)


def _superiority(x: Floats, y: Floats) -> tuple[float, float]:
    """theta and its standard error."""
    above_x = _placement(x, y)
    above_y = 1 - _placement(y, x)
    variance = np.var(above_x, ddof=1) / len(x) + np.var(above_y, ddof=1) / len(y)
    return float(above_x.mean()), sqrt(float(variance))


def _placement(x: Floats, y: Floats) -> Floats:
    """For each point of x the share of y below it, ties half."""
    ordered = np.sort(y)
    below, through = np.searchsorted(ordered, x, "left"), np.searchsorted(ordered, x, "right")
    placed: Floats = (below + through) / (2 * len(y))
    return placed
