"""The guards on the way in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbooks.domain.gate import Facts, gate
from runbooks.domain.policy import BadPolicy, Policy, as_data, policy

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
FREE = Facts(
    mode="auto",
    killed=False,
    silenced=False,
    parent="",
    last_ended_at=None,
    acted_recently=0,
    actions=0,
    actions_in_all=0,
    routes_touched=1,
    routes=4,
    approvals=0,
)


def answer(**changes: Any) -> str:
    return gate(replace(FREE, **changes), Policy(), now=NOW).answer


def test_automatic_mode_acts() -> None:
    assert answer() == "act"


def test_the_default_mode_asks_until_it_is_approved() -> None:
    assert answer(mode="approve") == "ask"
    assert answer(mode="approve", approvals=1) == "act"


@pytest.mark.parametrize(
    "no",
    [
        {"killed": True},
        {"mode": "observe"},
        {"silenced": True},
        {"parent": "canary"},
        {"last_ended_at": NOW - timedelta(minutes=4)},
        {"actions": 3},
        {"actions_in_all": 6},
        {"routes_touched": 3},
        {"held_by": "run/1"},
        {"left_out": "it would leave 2 of 2 proxies out"},
    ],
)
def test_each_guard_stops_even_what_is_approved(no: dict[str, Any]) -> None:
    assert answer(**no, approvals=1) == "stop"


def asked_for(**changes: Any) -> str:
    return gate(replace(FREE, mode="approve", **changes), Policy(approvals=2), now=NOW).answer


def test_four_eyes_are_of_two_people() -> None:
    assert [asked_for(approvals=number) for number in (0, 1, 2)] == ["ask", "ask", "act"]
    assert asked_for(by_hand="ann") == "ask"


@pytest.mark.parametrize(
    "no", [{"mode": "observe"}, {"silenced": True}, {"parent": "canary"}, {"last_ended_at": NOW}]
)
def test_what_keeps_the_machine_from_beginning_keeps_no_person(no: dict[str, Any]) -> None:
    assert answer(**no, by_hand="ann", approvals=1) == "act"


@pytest.mark.parametrize(
    "no",
    [{"killed": True}, {"actions": 3}, {"actions_in_all": 6}, {"routes_touched": 3}, {"held_by": "run/1"}],
)
def test_a_person_too_is_stopped_by_the_switch_the_budgets_and_the_blast_radius(no: dict[str, Any]) -> None:
    assert answer(**no, by_hand="ann", approvals=1) == "stop"


def test_two_actions_lately_switch_automatic_mode_off() -> None:
    assert answer(acted_recently=2) == "ask"


def test_a_tier_of_one_route_may_have_it_touched() -> None:
    assert answer(routes=1, routes_touched=1) == "act"


def test_a_cooldown_that_is_over_stops_nothing() -> None:
    assert answer(last_ended_at=NOW - timedelta(minutes=5)) == "act"


def test_a_policy_is_read_from_durations_as_people_write_them() -> None:
    base = Policy(thresholds={"retry_share": 0.2})
    made = policy({"lookback": "1m", "confirm_for": 5, "retry_share": 0.5}, base)
    assert (made.lookback, made.confirm_for) == (timedelta(minutes=1), timedelta(seconds=5))
    assert made.thresholds == {"retry_share": 0.5}
    assert policy(as_data(made), base) == made


@pytest.mark.parametrize(
    "given",
    [
        {"lokback": "1m"},
        {"lookback": "soon"},
        {"retry_share": "many"},
        {"cooldown": "10s"},
        {"lookback": True},
        {"remedy": "pray"},
        {"worse_by": 0.1},
    ],
)
def test_a_policy_that_cannot_be_is_refused(given: dict[str, Any]) -> None:
    base = Policy(thresholds={"retry_share": 0.2}, remedy="off", remedies=("off", "budget"))
    with pytest.raises(BadPolicy):
        policy(given, base)
