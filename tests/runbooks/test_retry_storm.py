"""The retry storm, decided on plain numbers by the definition in its text."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.domain.judging import Judge, Verdict
from runbooks.domain.measures import Measure, as_data, measure_from
from runbooks.domain.policy import policy
from runbooks.domain.signals import complete
from runbooks.domain.steps import spread
from tests.runbooks.declared import built_in

T0 = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
DEFINITION = built_in("retry-storm")
POLICY = policy({}, DEFINITION.policy)
JUDGE = Judge(DEFINITION, POLICY)
STORM: dict[str, Any] = {"first": 100.0, "retries": 60.0, "wasted": 45.0, "failed": 40.0, "exhausted": 0.0}
CALM: dict[str, Any] = {"first": 100.0, "retries": 1.0, "wasted": 0.0, "failed": 1.0, "exhausted": 0.0}
OFF: dict[str, Any] = {"first": 100.0, "retries": 0.0, "wasted": 0.0, "failed": 40.0, "exhausted": 0.0}
NOTHING: dict[str, Any] = {}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def measure(moment: datetime, **values: float | None) -> Measure:
    return Measure(at=moment, values=complete(DEFINITION.signals, values))


def series(values: dict[str, Any], *, start: float = 0, count: int = 20, step: float = 3) -> list[Measure]:
    return [measure(at(start + step * i), **values) for i in range(count)]


def test_three_attempts_of_every_request_amplify_three_times() -> None:
    found = measure(T0, first=100.0, retries=200.0, failed=100.0)
    assert JUDGE.numbers(found)["Amplification"] == "x3.00"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "present"),
        ({"retries": 19.0, "wasted": 19.0}, "calm"),
        ({"retries": 20.0, "wasted": 20.0}, "present"),
        ({"wasted": 29.0}, "calm"),
        ({"wasted": None}, "calm"),
        ({"wasted": 29.0, "exhausted": 5.0}, "present"),
        ({"retries": 5.0, "wasted": 0.0, "exhausted": 20.0}, "present"),
        ({"retries": 0.0, "wasted": 0.0, "exhausted": 20.0}, "present"),
        ({"retries": 5.0, "wasted": 0.0, "exhausted": 20.0, "failed": 0.0}, "calm"),
        ({"first": 0.4, "retries": 0.4}, "no_data"),
        ({"first": None}, "no_data"),
        ({"first": 0.0}, "no_data"),
        ({"retries": None}, "no_data"),
    ],
)
def test_what_a_measure_shows(changes: dict[str, Any], said: str) -> None:
    assert JUDGE.detect(measure(T0, **(STORM | changes))) == said


def test_a_storm_that_holds_for_the_window_is_confirmed() -> None:
    verdict = JUDGE.confirm(series(STORM), since=T0, now=at(10))
    assert verdict.outcome == "yes"
    assert verdict.why == "60.0 % retries per first attempt, 75.0 % of them fail, 0.0/s refused"


def test_a_window_that_is_not_over_waits() -> None:
    assert JUDGE.confirm(series(STORM), since=T0, now=at(9)).outcome == "wait"


def test_one_calm_measure_is_enough_to_say_no() -> None:
    measures = [*series(STORM, count=3), *series(CALM, start=9, count=1)]
    assert JUDGE.confirm(measures, since=T0, now=at(10)).outcome == "no"


def test_what_was_before_the_window_does_not_count() -> None:
    measures = [*series(CALM, start=-9, count=3), *series(STORM)]
    assert JUDGE.confirm(measures, since=T0, now=at(12)).outcome == "yes"


@given(st.lists(st.just(NOTHING), max_size=30), st.floats(0, 600))
def test_no_data_never_confirms(measures: list[dict[str, Any]], seconds: float) -> None:
    seen = [measure(at(3 * i), **values) for i, values in enumerate(measures)]
    assert JUDGE.confirm(seen, since=T0, now=at(seconds)).outcome != "yes"


def patches(remedy: str, *upstreams: str) -> list[dict[str, Any]]:
    known = {"tier": "edge", "route": "shop", **POLICY.thresholds}
    return [step["patch"] for step in spread(DEFINITION.remedies[remedy].steps, known, upstreams)]


def test_the_remedy_is_retries_off_on_the_route_alone() -> None:
    assert POLICY.remedy == "retry_off"
    assert patches("retry_off", "a") == [{"kind": "retry_off", "route": "shop"}]


def test_the_other_remedy_tightens_the_budget_of_each_upstream() -> None:
    found = patches("retry_budget", "a", "b")
    assert [(patch["upstream"], patch["percent"]) for patch in found] == [("a", 2.0), ("b", 2.0)]


def verify(measures: list[Measure], *, now: float, extended: bool = False) -> Verdict:
    before = measure(T0, **STORM)
    return JUDGE.verify(measures, before, applied_at=T0, extended=extended, now=at(now))


def test_it_worked_when_the_window_after_the_lookback_is_calm() -> None:
    assert verify(series(OFF), now=50).outcome == "yes"


def test_measures_that_still_hold_samples_from_before_do_not_count() -> None:
    assert verify([*series(STORM, count=10), *series(OFF, start=31)], now=50).outcome == "yes"


def test_nothing_is_said_before_the_window_is_over() -> None:
    assert verify(series(OFF), now=49).outcome == "wait"


def test_more_failing_first_attempts_are_worse_at_once() -> None:
    assert verify(series(OFF | {"failed": 56.0}), now=34).outcome == "no"


def test_a_final_error_rate_that_rises_is_not_worse() -> None:
    assert verify(series(OFF | {"failed": 45.0}), now=50).outcome == "yes"


def test_what_is_not_clear_is_watched_once_more_and_then_taken_back() -> None:
    first = verify(series(STORM), now=50)
    assert (first.outcome, first.extend) == ("wait", True)
    assert verify(series(STORM, count=30), now=70, extended=True).why == "it did not help"
    assert verify([], now=70, extended=True).why == "too little data to tell"


def hold(measures: list[Measure], *, now: float, until: float = 600) -> Verdict:
    return JUDGE.hold(measures, measure(T0, **STORM), since=T0, until=at(until), now=at(now))


def test_it_holds_while_first_attempts_fail() -> None:
    assert hold(series(OFF, count=100), now=200).outcome == "wait"


def test_it_is_over_when_first_attempts_were_healthy_for_the_quiet_time() -> None:
    assert hold(series(CALM, count=60), now=119).outcome == "wait"
    assert hold(series(CALM, count=60), now=120).outcome == "yes"


def test_it_is_over_when_its_time_is() -> None:
    assert hold([], now=600).why == "its time is over"


def test_no_data_is_not_health() -> None:
    assert hold(series(NOTHING, count=100), now=290).outcome == "wait"


def test_a_measure_survives_its_way_through_the_database() -> None:
    found = Measure(at=T0, values=STORM, names={"retries": ("shop-v1",)})
    assert measure_from(as_data(found)) == found
