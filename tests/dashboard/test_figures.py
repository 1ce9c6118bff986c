"""Numbers as people read them."""

from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest

from dashboard.domain import figures, look
from dashboard.domain.mrkdwn import Part, lines, parts

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "no data"),
        (nan, "no data"),
        (0.0, "0 %"),
        (0.00001, "< 0.01 %"),
        (0.0123, "1.23 %"),
        (0.298, "29.8 %"),
        (0.99994, "99.994 %"),
        (0.999999, "99.999 %"),
        (1.0, "100 %"),
        (-0.42, "-42.0 %"),
    ],
)
def test_a_ratio_is_read_as_percent(ratio: float | None, text: str) -> None:
    assert figures.percent(ratio) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "no data"),
        (0.84, "0.84 ms"),
        (12.34, "12.3 ms"),
        (1250.0, "1.25 s"),
        (inf, "beyond the last bucket"),
    ],
)
def test_a_latency_is_finer_the_smaller_it_is(value: float | None, text: str) -> None:
    assert figures.milliseconds(value) == text


def test_weights_are_told_in_percent() -> None:
    assert [figures.weight(value) for value in (500, 25, 10_000, None)] == [
        "5 %",
        "0.25 %",
        "100 %",
        "no data",
    ]


def test_a_large_evidence_is_told_by_its_magnitude() -> None:
    assert [figures.magnitude(v) for v in (0.5, 190_894.0, 4.3e11, 1e-9)] == [
        "0.5",
        "190,894",
        "4.3e+11",
        "1.0e-09",
    ]


def test_ages_look_back_and_ahead() -> None:
    assert figures.age(NOW - timedelta(seconds=200), now=NOW) == "3 min 20 s ago"
    assert figures.age(NOW + timedelta(hours=2), now=NOW) == "in 2 h"
    assert figures.age(NOW, now=NOW) == "just now"


def test_a_state_is_known_in_any_writing() -> None:
    assert look.look("AWAITING_APPROVAL") == look.look("awaiting approval") == look.WAIT
    assert look.word("NEEDS_HUMAN") == "needs human"


def test_a_state_that_is_not_known_looks_unknown() -> None:
    assert look.look("half-done") == look.UNKNOWN


def test_each_kind_of_state_has_a_shape_of_its_own() -> None:
    every = [look.GOOD, look.ACTING, look.WAIT, look.BAD, look.UNKNOWN, look.QUIET]

    assert len({each.shape for each in every}) == len(every)


def test_a_message_is_read_as_text_strong_text_and_links() -> None:
    found = parts("*Tier* edge &amp; more <http://127.0.0.1/runbooks/x/?incident=3|Runbook: x>")

    assert found == (
        Part("Tier", strong=True),
        Part(" edge & more "),
        Part("Runbook: x", url="http://127.0.0.1/runbooks/x/?incident=3"),
    )


def test_a_link_in_a_message_is_never_a_script() -> None:
    assert parts("<javascript:alert(1)|press>") == (Part("<javascript:alert(1)|press>"),)


def test_the_fields_of_a_message_are_one_line() -> None:
    fields = [{"type": "mrkdwn", "text": "*Tier*\nedge"}, {"type": "mrkdwn", "text": "*Route*\nshop"}]

    found = lines([{"type": "section", "fields": fields}])

    assert found == (
        (Part("Tier", strong=True), Part(" edge · "), Part("Route", strong=True), Part(" shop")),
    )


def test_the_buttons_of_a_message_are_a_line() -> None:
    labels = [
        {"type": "button", "text": {"type": "plain_text", "text": text}} for text in ("Approve", "Deny")
    ]

    assert lines([{"type": "actions", "elements": labels}]) == ((Part("[Approve]  [Deny]"),),)


@pytest.mark.parametrize(
    ("coverage", "words"),
    [(None, ""), (0.6, ""), (0.0001, "4 min 19 s measured"), (0.25, "7 d 12 h measured")],
)
def test_a_budget_says_over_how_little_it_was_measured(coverage: float | None, words: str) -> None:
    assert figures.measured(coverage, timedelta(days=30)) == words
