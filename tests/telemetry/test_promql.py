"""PromQL as text."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.domain import promql


def test_a_selector_reads_as_a_person_would_write_it() -> None:
    text = promql.selector("up", promql.unequal("proxy", "edge-2"), tier="edge")

    assert text == 'up{tier="edge",proxy!="edge-2"}'


def test_a_selector_without_matchers_is_the_name() -> None:
    assert promql.selector("up") == "up"


def test_quotes_backslashes_and_newlines_are_escaped() -> None:
    assert promql.escape('a"b\\c\nd') == 'a\\"b\\\\c\\nd'


@given(st.text())
def test_no_value_ends_its_string(value: str) -> None:
    inside = promql.escape(value).replace("\\\\", "").replace('\\"', "")

    assert '"' not in inside
    assert "\n" not in inside


@pytest.mark.parametrize("name", ["", "up{", "1up", 'up"', "up\n"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a metric name"):
        promql.selector(name)
    with pytest.raises(ValueError, match="not a label name"):
        promql.equal(name, "x")


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (timedelta(seconds=90), "90s"),
        (timedelta(minutes=5), "5m"),
        (timedelta(hours=6), "6h"),
        (timedelta(days=30), "30d"),
        (timedelta(milliseconds=1500), "1500ms"),
    ],
)
def test_a_duration_uses_its_largest_whole_unit(window: timedelta, text: str) -> None:
    assert promql.duration(window) == text


def test_a_duration_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not a positive duration"):
        promql.duration(timedelta(0))


def test_the_edge_of_a_bucket_is_the_same_in_both_spellings() -> None:
    assert promql.edge("3000") == promql.edge("3000.0") == 3000.0
    assert promql.edge("+Inf") == float("inf")
