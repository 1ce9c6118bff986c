"""The figures that the judge was designed for, by a small simulation; `make bench BENCH=judge` has all of it."""

from statistics import median

import pytest

from bench import controllers
from canary.domain.judge import Limits
from tests.canary import together
from tests.canary.simulate import (
    DESIGNED,
    STABLE,
    Case,
    family_of,
    outcome,
    outcomes,
    record,
    regression,
    seconds_to_fail,
    share_decided,
)


@pytest.mark.parametrize("cell", [(0.01, 0.05), (0.01, 0.10), (0.05, 0.01)])
def test_the_median_time_to_fail_is_near_the_designed_one(cell: tuple[float, float]) -> None:
    found = seconds_to_fail(regression(*cell, family_of(Limits(), 5)), runs=100)
    assert median(found) <= 1.2 * DESIGNED[cell][2] + 1


@pytest.mark.parametrize("calm", [False, True])
def test_bursts_of_a_healthy_canary_seldom_fail_it_whether_the_control_has_them_or_not(calm: bool) -> None:
    # Independent failures in its place would let 7 of 10 be failed.
    records = [record(Case(clump=10, calm=calm, seconds=600), run) for run in range(60)]
    failed = [at for at in together.seconds_to_fail(records, Limits()) if at is not None]
    assert len(failed) <= 3


def test_a_healthy_canary_is_seldom_failed() -> None:
    # At most 1 % are; 3 of 40 would be a one in a hundred chance.
    assert share_decided("fail", Case(seconds=300), runs=40) <= 2 / 40


def test_a_canary_at_the_limit_is_seldom_passed() -> None:
    # At most 5 % are; 8 of 40 would be a one in a thousand chance.
    case = Case(canary=3 * STABLE, seconds=300, kinds=("fail", "pass"))
    assert share_decided("pass", case, runs=40) <= 7 / 40


def test_runs_are_the_same_on_one_processor_and_on_two() -> None:
    case = Case(canary=0.05, seconds=60)
    assert outcomes(case, 6, processes=2) == outcomes(case, 6)


@pytest.mark.parametrize("case", [Case(canary=0.01, seconds=90), Case(clump=5, share=0.5, seconds=90)])
def test_runs_side_by_side_come_to_what_the_judge_comes_to(case: Case) -> None:
    judged = [one[1] if one else None for one in outcomes(case, 12)]
    assert together.seconds_to_fail([record(case, run) for run in range(12)], case.limits) == judged


def test_where_a_constant_takes_minutes_the_judge_takes_seconds() -> None:
    case = Case(canary=0.3, onset=100, seconds=1500)
    assert 100 < (outcome(case, 1) or ("", 0.0))[1] <= 105
    counts = controllers.counts(record(case, 1))
    # The minutes that end at 120 to 660 s are the first ten with failures.
    assert controllers.flagger(counts) == ("rolled back", 660)
    # Failures at 300, 600, 900 are allowed, and the one at 1,200 is not.
    assert controllers.argo(counts) == ("rolled back", 1200)


def test_a_constant_cannot_see_a_canary_that_is_five_times_worse() -> None:
    case = Case(canary=0.005, seconds=2400)
    counts = controllers.counts(record(case, 1))
    assert controllers.flagger(counts) == ("promoted", 600)
    assert controllers.argo(counts) == ("promoted", 2400)
    assert (outcome(case, 1) or ("", 0.0))[0] == "fail"


def test_a_constant_rolls_a_healthy_canary_back_in_an_incident_of_both_arms() -> None:
    case = Case(incident=0.1, onset=60, seconds=2400)
    counts = controllers.counts(record(case, 1))
    assert controllers.flagger(counts) == ("rolled back", 660)
    assert controllers.argo(counts)[0] == "rolled back"
    assert outcome(case, 1) is None


def test_without_requests_a_constant_says_what_it_is_documented_to_say() -> None:
    nothing = [(0, 0)] * 2400
    assert controllers.flagger(nothing) == ("rolled back", 600)
    assert controllers.argo(nothing) == ("rolled back", 1200)
