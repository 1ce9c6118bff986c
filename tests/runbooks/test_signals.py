"""Signals: what is queried, what is made of others, and how a figure is spelt."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from runbooks.domain.signals import Signal, complete, heaviest, joined, spelled

SIGNALS: TypeAdapter[Any] = TypeAdapter(dict[str, Signal])
UP = {"unit": "count", "promql": 'up{tier="$tier"}'}


def test_what_is_derived_has_no_data_where_a_part_has_none() -> None:
    signals = SIGNALS.validate_python(
        {
            "part": UP,
            "whole": UP,
            "share": {"ratio": "part", "over": "whole"},
            "sum": {"unit": "count", "total": ["part", "whole"], "plus": 1},
        }
    )
    assert complete(signals, {"part": 1.0, "whole": 4.0}) == {"part": 1, "whole": 4, "share": 0.25, "sum": 6}
    assert complete(signals, {"part": None, "whole": 4.0}) == {
        "part": None,
        "whole": 4,
        "share": None,
        "sum": None,
    }


@pytest.mark.parametrize(("absent", "expected"), [(None, None), (0.0, 0.0)])
def test_a_ratio_over_nothing_is_what_the_runbook_says(absent: float | None, expected: float | None) -> None:
    signals = SIGNALS.validate_python(
        {"part": UP, "whole": UP, "share": {"ratio": "part", "over": "whole", "absent": absent}}
    )
    assert complete(signals, {"part": 0.0, "whole": 0.0})["share"] == expected


@pytest.mark.parametrize(("join", "expected"), [("sum", 6.0), ("max", 3.0), ("min", 1.0)])
def test_several_series_become_one_figure(join: str, expected: float) -> None:
    signal = SIGNALS.validate_python({"x": {**UP, "join": join}})["x"]
    assert joined(signal, [1.0, 2.0, 3.0]) == expected


def test_no_series_is_no_data_unless_the_runbook_says_what_it_means() -> None:
    signals = SIGNALS.validate_python({"x": UP, "y": {**UP, "absent": 0}})
    assert joined(signals["x"], []) is None
    assert joined(signals["y"], []) == 0.0


def test_the_heaviest_series_are_told_and_what_weighs_nothing_is_not() -> None:
    assert heaviest({"a": 1.0, "b": 3.0, "c": 0.0, "d": 2.0}) == ("b", "d", "a")
    assert len(heaviest({str(number): 1.0 for number in range(100)})) == 5


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"unit": "count"}, "give promql"),
        ({"unit": "count", "promql": 'x{tier="$tier"}', "indicator": "requests"}, "give promql"),
        ({"unit": "count", "promql": "up"}, "name the tier"),
        ({"unit": "count", "indicator": "nope"}, "there is no indicator nope"),
        ({"unit": "parsecs", "indicator": "requests"}, "unit"),
        ({"ratio": "a", "ovr": "b"}, "over"),
    ],
)
def test_what_is_no_signal_is_refused(declared: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        SIGNALS.validate_python({"x": declared})


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (None, "ratio", "unknown"),
        (0.5, "ratio", "50.0 %"),
        (12.34, "per_second", "12.3/s"),
        (3.0, "times", "x3.00"),
        (3.4, "count", "3"),
        (0.25, "seconds", "0.25 s"),
        (12.34, "milliseconds", "12.3 ms"),
        (1.5, "cores", "1.50 cores"),
        (2**21, "bytes", "2.0 MiB"),
    ],
)
def test_a_figure_is_spelt_with_its_unit(value: float | None, unit: Any, expected: str) -> None:
    assert spelled(value, unit) == expected
