"""Conditions over signals: three values, and what a declaration of them may be."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from runbooks.domain.conditions import Condition, comparisons, holds
from runbooks.domain.measures import Measure

T0 = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
CONDITION: TypeAdapter[Any] = TypeAdapter(Condition)
TRUE = {"signal": "known", "above": 0}
FALSE = {"signal": "known", "above": 9}
UNKNOWN = {"signal": "unknown", "above": 0}
SAYS = {True: TRUE, False: FALSE, None: UNKNOWN}


def says(declared: dict[str, Any], *, before: float | None = None, **thresholds: float) -> bool | None:
    measure = Measure(at=T0, values={"known": 5.0, "unknown": None})
    was = Measure(at=T0, values={"known": before})
    return holds(CONDITION.validate_python(declared), measure, thresholds, before=was)


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ({"at_least": 5}, True),
        ({"above": 5}, False),
        ({"at_most": 5}, True),
        ({"below": 5}, False),
        ({"at_least": "limit"}, True),
        ({"above": "limit"}, True),
    ],
)
def test_a_signal_is_compared_with_a_number_or_a_threshold(comparison: Any, expected: bool) -> None:
    assert says({"signal": "known", **comparison}, limit=4.0) is expected


@pytest.mark.parametrize(("before", "expected"), [(4.0, True), (4.5, False), (5.0, False), (None, None)])
def test_a_signal_is_compared_with_what_it_was_before(before: float | None, expected: bool | None) -> None:
    assert says({"signal": "known", "above_before_by": 0.5}, before=before) is expected


@pytest.mark.parametrize("comparison", [{"at_least": 0}, {"at_most": 0}, {"above_before_by": 0}])
def test_a_signal_without_data_is_neither_true_nor_false(comparison: dict[str, Any]) -> None:
    assert says({"signal": "unknown", **comparison}, before=1.0) is None


PARTS = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=5)


@given(PARTS)
def test_all_is_false_as_soon_as_a_part_is_and_true_only_when_every_part_is(parts: list[bool | None]) -> None:
    expected = False if False in parts else None if None in parts else True
    assert says({"all": [SAYS[part] for part in parts]}) is expected


@given(PARTS)
def test_any_is_true_as_soon_as_a_part_is_and_false_only_when_every_part_is(parts: list[bool | None]) -> None:
    expected = True if True in parts else None if None in parts else False
    assert says({"any": [SAYS[part] for part in parts]}) is expected


def test_conditions_are_nested_to_any_depth() -> None:
    assert says({"all": [TRUE, {"any": [FALSE, {"all": [TRUE, UNKNOWN]}]}]}) is None
    nested = CONDITION.validate_python({"all": [TRUE, {"any": [FALSE, UNKNOWN]}]})
    assert [each.signal for _, each in comparisons(nested)] == ["known", "known", "unknown"]


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"signal": "known"}, "exactly one of"),
        ({"signal": "known", "above": 1, "below": 2}, "exactly one of"),
        ({"signal": "known", "abvoe": 1}, "Extra inputs"),
        ({"all": []}, "at least 1 item"),
        ({"any": [TRUE], "all": [TRUE]}, "Extra inputs"),
        ({"above": 1}, "Field required"),
    ],
)
def test_what_is_no_condition_is_refused(declared: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        CONDITION.validate_python(declared)


def test_a_condition_survives_its_way_through_json() -> None:
    made = CONDITION.validate_python({"all": [TRUE, {"any": [FALSE, UNKNOWN]}]})
    assert CONDITION.validate_json(CONDITION.dump_json(made, exclude_unset=True)) == made
