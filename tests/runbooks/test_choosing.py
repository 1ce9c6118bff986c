"""Which remedy a run takes: the one that the policy says, unless a check or the figures choose another."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from proxy.domain.checks import Finding
from runbooks import texts
from runbooks.domain.definition import BadDefinition, Choice, Definition, definition_from
from runbooks.domain.judging import Judge
from runbooks.domain.measures import Measure
from runbooks.services import checked

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def brownout() -> Definition:
    found = texts.built_in()["brownout"].definition
    assert found is not None
    return found


def chosen(definition: Definition, *found: Finding, remedy: str = "", **figures: float) -> str:
    policy = definition.policy if not remedy else replace(definition.policy, remedy=remedy)
    return checked.chosen(Judge(definition, policy), Measure(at=NOW, values=dict(figures)), found)


def test_where_all_are_slow_none_is_left_out() -> None:
    assert chosen(brownout(), worst=0.1) == "bound"
    assert chosen(brownout(), worst=0.9) == ""


def test_without_a_figure_nothing_is_chosen() -> None:
    assert chosen(brownout()) == ""


def test_what_a_person_or_the_tier_set_stays() -> None:
    assert chosen(brownout(), remedy="shed", worst=0.1) == ""


def test_a_check_chooses_where_it_says_so() -> None:
    by_check = brownout().model_copy(
        update={"choose": (Choice(check="outlier_detection", holds=True, remedy="bound"),)}
    )
    finding = Finding("outlier_detection", "Outlier detection ejects", True, "shop ejects endpoints")
    assert chosen(by_check, finding) == "bound"
    assert chosen(by_check, replace(finding, holds=None)) == ""


@pytest.mark.parametrize(
    ("choice", "place"),
    [
        ({"remedy": "bound"}, "choose.0"),
        ({"when": {"signal": "nobody", "above": 1}, "remedy": "bound"}, "choose[0].when"),
        ({"when": {"signal": "worst", "above": 1}, "remedy": "nothing"}, "choose[0].remedy"),
    ],
)
def test_a_choice_without_a_reason_or_a_remedy_is_refused(choice: dict[str, object], place: str) -> None:
    data = brownout().model_dump(exclude_none=True)
    with pytest.raises(BadDefinition, match=place.replace("[", r"\[")):
        definition_from({**data, "choose": [choice]})
