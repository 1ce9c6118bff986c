"""The table of states has the properties that people count on."""

import pytest

from canary.domain.states import LIVE, PERSONS, ROLLOUT, TERMINAL, WrongState, after, allowed


def reachable(state: str) -> set[str]:
    seen: set[str] = set()
    todo = [state]
    while todo:
        for following in ROLLOUT[todo.pop()].values():
            if following not in seen:
                seen.add(following)
                todo.append(following)
    return seen


@pytest.mark.parametrize("state", LIVE)
def test_every_live_state_leads_to_rolled_back(state: str) -> None:
    assert "rolled_back" in reachable(state)


@pytest.mark.parametrize("state", [state for state in LIVE if state != "rolling_back"])
def test_a_person_can_roll_back_in_every_state_that_is_not_doing_it(state: str) -> None:
    assert after(state, "roll_back") == "rolling_back"


def test_nothing_but_an_undo_leaves_an_end_and_every_state_is_in_the_table() -> None:
    assert {state: ROLLOUT[state] for state in TERMINAL} == {
        "promoted": {"undo": "rolling_back"},
        "rolled_back": {},
    }
    assert reachable("running") | {"running"} == set(ROLLOUT)


def test_a_rollback_cannot_be_called_off() -> None:
    assert allowed("rolling_back") == ("force", "close")
    with pytest.raises(WrongState, match="cannot approve: the rollout is rolling back"):
        after("rolling_back", "approve")


def test_what_a_person_may_do_comes_in_one_order() -> None:
    assert allowed("needs_human") == ("approve", "resume", "promote", "roll_back")
    assert set(allowed("running")) <= set(PERSONS)
