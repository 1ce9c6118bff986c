"""The judge keeps what it promises: identities, guards, and what may not move a verdict."""

import json
from collections.abc import Iterable
from math import exp, inf, log
from typing import Any

import numpy as np
import pytest
from scipy.stats import nchypergeom_fisher

from canary.domain.judge import (
    BadLimit,
    Counts,
    Evidence,
    Limits,
    Tick,
    attempts_to_pass,
    begin_step,
    observe,
    odds_ratio,
    phi,
    weigh,
)
from canary.domain.odds import Cell, log_likelihood, log_normaliser
from canary.domain.saved import dump, load
from canary.domain.verdicts import Words, decide

LIMITS = Limits()
WORDS = Words(canary="shop-v2", control="the control", of="first attempts")


def tick(at: float, n_c: int, e_c: int, n_k: int, e_k: int, proxy: str = "edge-1") -> Tick:
    return Tick(float(at), {proxy: Cell(n_c, e_c, n_k, e_k)})


def fold(ticks: Iterable[Tick], limits: Limits = LIMITS, evidence: Evidence | None = None) -> Evidence:
    evidence = evidence or Evidence()
    for one in ticks:
        evidence = observe(evidence, one, limits)
    return evidence


def drawn(
    seed: int,
    seconds: int,
    *,
    n_c: int = 50,
    n_k: int = 950,
    canary: float = 0.001,
    control: float = 0.001,
    start: int = 0,
) -> list[Tick]:
    rng = np.random.default_rng(seed)
    e_c, e_k = rng.binomial(n_c, canary, seconds), rng.binomial(n_k, control, seconds)
    return [tick(start + t, n_c, int(e_c[t]), n_k, int(e_k[t])) for t in range(seconds)]


def first_fail(ticks: Iterable[Tick], limits: Limits = LIMITS) -> float:
    """Unix seconds of the first FAIL; infinity where there is none."""
    evidence = Evidence()
    for one in ticks:
        evidence = observe(evidence, one, limits)
        if decide(evidence, limits, WORDS).kind == "fail":
            return one.at
    return inf


@pytest.mark.parametrize("w", [0.1, 1.0, 3.0, 60.0])
@pytest.mark.parametrize("cell", [Cell(50, 2, 950, 1), Cell(500, 9, 500, 7), Cell(3, 3, 40, 9)])
def test_the_likelihood_is_fishers_noncentral_hypergeometric(cell: Cell, w: float) -> None:
    ours = (
        cell.e_c * log(w)
        - log_normaliser(cell, np.array([log(w)]))[0]
        - (0 * log(1) - log_normaliser(cell, np.array([0.0]))[0])
    )
    m, total = cell.e_c + cell.e_k, cell.n_c + cell.n_k
    theirs = nchypergeom_fisher.logpmf(cell.e_c, total, cell.n_c, m, w)
    base = nchypergeom_fisher.logpmf(cell.e_c, total, cell.n_c, m, 1.0)
    assert ours == pytest.approx(theirs - base, abs=1e-8)


@pytest.mark.parametrize("w0", [1.0, 2.0])
def test_the_expected_likelihood_ratio_under_the_limit_is_one(w0: float) -> None:
    n_c, n_k, m = 20, 80, 7
    expected = sum(
        nchypergeom_fisher.pmf(j, n_c + n_k, n_c, m, w0)
        * np.exp(np.diff(log_likelihood([Cell(n_c, j, n_k, m - j)], np.log(np.array([w0, 5.0])))))[0]
        for j in range(m + 1)
    )
    assert expected == pytest.approx(1.0)


def test_a_worked_example_of_one_tick() -> None:
    # m = 1 of 50 + 950, and it was the canary's: LR(w) = w * 1000 / (50 w + 950).
    reading = weigh(observe(Evidence(), tick(0, 50, 1, 950, 0), LIMITS), LIMITS)
    ratios = [w * 1000 / (50 * w + 950) for w in LIMITS.worse]
    begun = 6 / np.pi**2
    assert exp(reading.log_fail) == pytest.approx(begun * np.mean(ratios) + 1 - begun)


def test_a_regression_from_a_thousandth_to_a_twentieth_fails_within_seconds() -> None:
    assert first_fail(drawn(1, 60, canary=0.05)) <= 6


def test_a_regression_that_begins_late_is_found_as_fast() -> None:
    late = [*drawn(2, 900), *drawn(3, 120, canary=0.01, start=900)]
    assert 900 < first_fail(late) <= 940


def test_a_healthy_canary_passes_and_does_not_fail() -> None:
    ticks = drawn(4, 400)
    assert first_fail(ticks) == inf
    assert decide(fold(ticks), LIMITS, WORDS).kind == "pass"


def test_an_incident_that_hits_both_arms_moves_nothing() -> None:
    ticks = [*drawn(5, 60), *drawn(6, 60, canary=0.2, control=0.2, start=60), *drawn(7, 60, start=120)]
    assert first_fail(ticks) == inf


def test_a_change_of_weight_in_mid_run_moves_nothing() -> None:
    ticks = [
        *drawn(8, 100, canary=0.01, control=0.01),
        *drawn(9, 100, n_c=500, n_k=500, canary=0.01, control=0.01, start=100),
    ]
    assert first_fail(ticks) == inf


def test_a_control_without_a_single_failure_can_be_compared_with() -> None:
    ticks = [tick(t, 50, 2, 950, 0) for t in range(6)]
    evidence = fold(ticks)
    verdict = decide(evidence, LIMITS, WORDS)
    assert verdict.kind == "fail"
    assert (
        "shop-v2 fails 4.0 % of first attempts (12 of 300), the control 0.0 % (0 of 5700)" in verdict.reason
    )


def test_four_failures_are_too_few_however_clear_they_are() -> None:
    ticks = [tick(0, 4, 2, 9_000, 0), tick(1, 4, 2, 9_000, 0)]
    verdict = decide(fold(ticks), LIMITS, WORDS)
    assert verdict.kind == "inconclusive"
    assert "too few to act on" in verdict.reason


def test_one_bad_second_is_too_short_to_act_on() -> None:
    assert decide(fold([tick(0, 50, 30, 950, 0)]), LIMITS, WORDS).kind == "inconclusive"


def test_no_traffic_at_all_is_no_data() -> None:
    verdict = decide(fold([tick(0, 0, 0, 0, 0)]), LIMITS, WORDS)
    assert verdict.kind == "no_data"
    assert verdict.reason == "no first attempts were measured in either arm"


def test_an_arm_without_traffic_is_no_data_and_is_named() -> None:
    verdict = decide(fold([tick(t, 0, 0, 900, 30) for t in range(9)]), LIMITS, WORDS)
    assert (verdict.kind, verdict.reason) == (
        "no_data",
        "shop-v2 had no first attempts, so there is nothing to compare",
    )


def test_zero_traffic_in_mid_run_changes_no_evidence() -> None:
    before = fold(drawn(10, 30, canary=0.01))
    after = fold([tick(30 + t, 0, 0, 950, 5) for t in range(20)], evidence=before)
    assert after.mirror == before.mirror
    assert after.counts.e_c == before.counts.e_c


def test_nothing_is_decided_in_a_tick_without_traffic() -> None:
    evidence = fold([tick(t, 50, 5, 950, 0) for t in range(9)])
    assert decide(evidence, LIMITS, WORDS).kind == "fail"
    assert decide(evidence, LIMITS, WORDS, traffic_now=False).kind == "inconclusive"


def test_failures_in_bursts_raise_phi_and_independent_ones_do_not() -> None:
    bursts = [tick(t, 50, 0, 950, 20 if t % 10 == 0 else 0) for t in range(200)]
    assert phi(fold(bursts)) > 10
    assert phi(fold(drawn(11, 300, control=0.01, canary=0.01))) < 1.3


def test_a_burst_of_the_canary_counts_as_one_before_the_control_has_shown_any() -> None:
    quiet = [tick(t, 50, 0, 50, 0) for t in range(20)]
    burst = [*quiet, tick(20, 50, 10, 50, 0), *[tick(21 + t, 50, 0, 50, 0) for t in range(20)]]
    twice = [*burst, tick(41, 50, 10, 50, 0), tick(42, 50, 0, 50, 0)]
    assert phi(fold(burst)) > 7
    # Two bursts out of two in one of two equal arms are as likely as heads twice.
    assert weigh(fold(twice), LIMITS).log_fail < log(10)


def test_a_canary_that_fails_steadily_is_not_clumped() -> None:
    assert phi(fold(drawn(17, 300, canary=0.05))) < 1.3


def test_clumped_errors_seldom_fail_a_healthy_canary() -> None:
    rng = np.random.default_rng(12)

    def burst(n: int) -> int:
        return min(n, int(rng.geometric(1 / 20, rng.poisson(n * 0.002 / 20)).sum()))

    runs = [[tick(t, 50, burst(50), 950, burst(950)) for t in range(300)] for _ in range(30)]
    assert sum(first_fail(run) < inf for run in runs) <= 3


def test_evidence_saved_and_restored_gives_the_same_e_value() -> None:
    ticks = drawn(13, 200, canary=0.004)
    whole = fold(ticks)
    halves = fold(ticks[97:], evidence=load(json.loads(json.dumps(dump(fold(ticks[:97]))))))
    assert halves == whole
    assert weigh(halves, LIMITS) == weigh(whole, LIMITS)


def test_the_size_of_the_evidence_is_bounded() -> None:
    hours = fold([tick(30 * t, 50, t % 2, 950, 1) for t in range(1000)])
    assert len(hours.starts) == 40
    assert len(json.dumps(dump(hours))) < 12_000


def test_a_new_step_forgets_what_earned_the_last_one_but_not_what_speaks_against() -> None:
    passed = fold(drawn(4, 400))
    stepped = begin_step(passed)
    assert decide(stepped, LIMITS, WORDS).kind == "inconclusive"
    assert weigh(stepped, LIMITS).log_fail == weigh(passed, LIMITS).log_fail


def test_ticks_at_other_weights_may_fail_the_canary_and_never_pass_it() -> None:
    evidence = Evidence()
    for one in drawn(4, 400):
        evidence = observe(evidence, one, LIMITS, earns=False)
    whole = fold(drawn(4, 400))
    assert weigh(evidence, LIMITS).log_fail == weigh(whole, LIMITS).log_fail
    assert (weigh(evidence, LIMITS).log_pass, evidence.step) == (0.0, Counts())


def test_the_attempts_to_a_pass_are_those_that_earn_it() -> None:
    harmless = Limits(negligible=0.001)
    evidence = fold([tick(0, 145, 0, 2827, 0)], harmless)
    more = attempts_to_pass(evidence, harmless, most=10_000)
    # For n attempts in all, (1 + mean of exp(0.001 n), exp(0.0009 n) and exp(0.0007 n)) / 2 is to reach 20.
    n = 145 + (more or 0)
    assert (1 + np.mean([exp(0.001 * n), exp(0.0009 * n), exp(0.0007 * n)])) / 2 == pytest.approx(
        20, rel=0.01
    )
    assert decide(fold([tick(1, more or 0, 0, 900, 0)], harmless, evidence), harmless, WORDS).kind == "pass"
    assert attempts_to_pass(evidence, harmless, most=1000) is None
    assert attempts_to_pass(evidence, LIMITS, most=10_000) is None


def test_without_any_failure_only_a_negligible_rate_can_earn_a_pass() -> None:
    quiet = [tick(t, 50, 0, 950, 0) for t in range(100)]
    harmless = Limits(negligible=0.001)
    assert decide(fold(quiet), LIMITS, WORDS).kind == "inconclusive"
    assert decide(fold(quiet, harmless), harmless, WORDS).kind == "pass"


def test_the_confidence_sequence_covers_the_ratio_and_the_estimate_lies_in_it() -> None:
    reading = weigh(fold(drawn(14, 400, canary=0.01)), LIMITS)
    assert reading.odds is not None
    assert reading.high is not None
    assert reading.low < 10 < reading.high
    assert reading.low < reading.odds < reading.high


def test_the_always_valid_p_never_rises() -> None:
    ticks = [*drawn(15, 40, canary=0.02), *drawn(16, 100, start=40)]
    p = [weigh(fold(ticks[:n]), LIMITS).p for n in (40, 90, 140)]
    assert p == sorted(p, reverse=True)


def test_odds_against_a_perfect_control_are_a_number() -> None:
    assert odds_ratio(Counts(42, 12, 931, 0)) == pytest.approx((12.5 / 30.5) / (0.5 / 931.5))
    assert odds_ratio(Counts()) is None


@pytest.mark.parametrize(
    ("wrong", "name"),
    [({"alpha": 0.0}, "alpha"), ({"beta": 1.0}, "beta"), ({"w0": 0.0}, "w0"), ({"w1": 0.5}, "w1")],
)
def test_a_limit_that_makes_no_sense_is_named(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(BadLimit) as caught:
        Limits(**wrong)
    assert caught.value.field == name


def test_without_a_failure_in_either_arm_there_is_no_odds_ratio() -> None:
    assert odds_ratio(Counts(n_c=100, e_c=0, n_k=1900, e_k=0)) is None
    assert odds_ratio(Counts(n_c=100, e_c=1, n_k=100, e_k=1)) == 1
