"""A rollout's headline says what was measured, and only that."""

import pytest

from canary.domain import family
from canary.domain.family import Family
from canary.domain.judge import Tick
from canary.domain.odds import Cell
from canary.domain.plan import Plan
from canary.domain.summary import sentence

PLAN = Plan(negligible=0.001)


def judged(n_c: int, e_c: int, n_k: int, e_k: int) -> Family:
    tick = Tick(0.0, {"edge-1": Cell(n_c, e_c, n_k, e_k)})
    return family.observe(family.empty(), {"first_attempt": tick, "final": tick}, PLAN.limits())


def said(
    state: str, weighed: Family, *, silent: bool = False, plan: Plan = PLAN, reason: str = "because"
) -> str:
    return sentence(state, upstream="shop-v2", reason=reason, family=weighed, plan=plan, silent=silent)


def test_while_judged_it_says_what_each_arm_does_and_what_is_still_to_come() -> None:
    assert said("running", judged(145, 0, 2827, 0)) == (
        "No verdict yet: shop-v2 fails 0 of 145 first attempts, the control 0 of 2,827; "
        "about 3,900 more requests without a failure earn the next step"
    )


def test_what_cannot_be_foreseen_is_not_said() -> None:
    by_ratio = said("running", judged(145, 3, 2827, 1), plan=Plan(negligible=None))
    assert by_ratio == ("No verdict yet: shop-v2 fails 3 of 145 first attempts, the control 1 of 2,827")


def test_nothing_judged_is_said_as_such() -> None:
    assert said("running", family.empty()) == "No verdict yet: no first attempts of shop-v2 were judged yet"
    assert said("running", judged(145, 0, 2827, 0), silent=True).startswith("No data: shop-v2 fails 0 of 145")


def test_an_earned_step_is_no_open_question() -> None:
    assert said("awaiting_approval", judged(9000, 0, 90_000, 0)) == (
        "Passed, and waits for approval: shop-v2 fails 0 of 9,000 first attempts, the control 0 of 90,000"
    )


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("needs_human", "A person is needed: because"),
        ("promoting", "Being promoted: because"),
        ("promoted", "Promoted: because"),
        ("rolling_back", "Being rolled back: because"),
        ("rolled_back", "Rolled back: because"),
    ],
)
def test_what_was_decided_is_said_with_its_reason(state: str, words: str) -> None:
    assert said(state, family.empty()) == words


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("rolling_back", "Rolled back by ann: too slow", "Being rolled back by ann: too slow"),
        ("rolled_back", "Rolled back by ann", "Rolled back by ann"),
        ("promoting", "Promoted by ann: known good", "Being promoted by ann: known good"),
        ("promoted", "Promoted by ann: known good", "Promoted by ann: known good"),
    ],
)
def test_a_persons_decision_is_said_once_with_the_person(state: str, reason: str, words: str) -> None:
    assert said(state, family.empty(), reason=reason) == words
