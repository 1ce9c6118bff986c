"""The absolute rule: a lower limit of the canary's failure rate that holds at all times."""

from math import exp

import numpy as np
import pytest
from scipy.stats import binom

from canary.domain import absolute
from canary.domain.judge import Counts, Evidence, Limits, Tick, observe
from canary.domain.odds import Cell
from canary.domain.verdicts import Verdict, Words

LIMITS = Limits()


def evidence(failed: int, each: int = 100, ticks: int = 20) -> Evidence:
    found = Evidence()
    for t in range(ticks):
        found = observe(found, Tick(float(t), {"": Cell(each, failed, 0, 0)}), LIMITS)
    return found


def decided(given: Evidence, limit: float) -> Verdict:
    return absolute.decide(given, LIMITS, Words(), limit=limit)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.2])
def test_its_expectation_is_at_most_one_at_any_rate_up_to_the_limit(rate: float) -> None:
    """By enumeration of all outcomes of 50 requests, of what counts only where it was seen above."""
    expected = sum(
        binom.pmf(e, 50, rate) * exp(found)
        for e in range(51)
        if (found := absolute.log_e(Counts(50, e, 0, 0), 0.2, 1.0)) > 0
    )
    assert expected <= 1


def test_the_limit_is_where_the_evidence_reaches_one_in_alpha() -> None:
    counts = Counts(2000, 60, 0, 0)
    low = absolute.lower_limit(counts, 0.01, 1.0)
    assert 0.015 < low < 0.03
    assert absolute.log_e(counts, low, 1.0) == pytest.approx(np.log(100), abs=1e-6)


def test_a_true_rate_is_seldom_excluded_however_often_one_looks() -> None:
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(200):
        failed = rng.binomial(50, 0.02, 300).cumsum()
        looks = zip(range(50, 15_001, 50), failed, strict=True)
        wrong += any(absolute.log_e(Counts(n, int(e), 0, 0), 0.02, 1.0) >= np.log(100) for n, e in looks)
    # At most 1 % are; 8 of 200 would be a one in a thousand chance.
    assert wrong <= 7


def test_above_the_limit_it_fails_and_says_by_how_much() -> None:
    verdict = decided(evidence(5), 0.01)
    assert verdict.kind == "fail"
    assert verdict.reason.startswith("the canary fails 5.0 % of requests (100 of 2000), more than 3.")
    assert "where 1 % may fail" in verdict.reason


def test_below_the_limit_it_holds_nothing_up() -> None:
    assert decided(evidence(1), 0.05).kind == "pass"
    assert decided(Evidence(), 0.05).kind == "no_data"


def test_clumped_failures_weigh_less() -> None:
    counts = Counts(2000, 60, 0, 0)
    assert absolute.lower_limit(counts, 0.01, 10.0) < absolute.lower_limit(counts, 0.01, 1.0)


def test_two_bad_requests_are_too_few_to_act_on() -> None:
    assert decided(evidence(1, each=1, ticks=4), 0.001).kind == "inconclusive"
