"""What any definition makes of measures."""

from datetime import UTC, datetime, timedelta

import pytest

from runbooks.domain.judging import Judge
from runbooks.domain.measures import Measure
from runbooks.domain.policy import policy
from tests.runbooks.declared import definition

T0 = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
DEFINITION = definition()
JUDGE = Judge(DEFINITION, policy({}, DEFINITION.policy))


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def measure(slow: float | None, *, rate: float = 9.0, drained: float = 0.0, moment: datetime = T0) -> Measure:
    return Measure(moment, {"rate": rate, "slow": slow, "drained": drained}, {"slow": ("ten", "two")})


@pytest.mark.parametrize(
    ("seen", "said", "why"),
    [
        (measure(0.5), "present", "50.0 % are slow"),
        (measure(0.4), "calm", "40.0 % are slow, as usual"),
        (measure(0.9, drained=1.0), "calm", "ten is being drained"),
        (measure(None), "no_data", "too little traffic to judge by"),
        (measure(0.9, rate=0.5), "no_data", "too little traffic to judge by"),
        (Measure(T0, why_no_data="Prometheus is away"), "no_data", "Prometheus is away"),
    ],
)
def test_the_symptom_is_told_from_what_looks_alike_and_from_no_data(
    seen: Measure, said: str, why: str
) -> None:
    assert (JUDGE.detect(seen), JUDGE.explain(seen)) == (said, why)


def test_another_cause_is_told_only_where_the_symptom_is_seen() -> None:
    assert JUDGE.explain(measure(0.1, drained=1.0)) == "10.0 % are slow, as usual"


def test_the_figures_are_those_that_are_shown_in_their_order_and_the_heaviest_series() -> None:
    assert list(JUDGE.numbers(measure(0.5)).items()) == [
        ("Slow share", "50.0 %"),
        ("rate", "9.0/s"),
        ("Slowest", "ten"),
    ]


def test_what_clients_still_feel_is_said_while_the_symptom_stays() -> None:
    assert JUDGE.standing(measure(0.6), measure(0.9)) == "the pool breathes; 60 % of requests are still slow"
    assert JUDGE.standing(measure(0.1), measure(0.9)) == "the pool breathes; few are slow: 10.0 %"
    assert JUDGE.left(measure(0.6)) == "the budget is tight; 60 % are still slow"
    assert JUDGE.left(measure(None)) == "the budget is tight; no data of the rest"


def test_a_culprit_is_named_where_the_definition_says_which_signal_names_it() -> None:
    accusing = definition(culprit="slow")
    judge = Judge(accusing, policy({}, accusing.policy))
    assert judge.standing(measure(0.6), measure(0.9)).endswith("are still slow at backend ten")


def test_whose_fault_it_is_is_said_only_where_it_is_known() -> None:
    doubtful = definition(blamed={"signal": "slow", "above": 0.7})
    judge = Judge(doubtful, policy({}, doubtful.policy))
    assert [judge.originator(measure(slow)) for slow in (0.9, 0.6)] == ["backend", "unknown"]


def test_what_worked_is_what_the_definition_says() -> None:
    strict = definition(worked={"signal": "slow", "below": 0.1})
    judge = Judge(strict, policy({}, strict.policy))
    before, seen = measure(0.9), [measure(0.3, moment=at(31 + 3 * i)) for i in range(10)]
    assert judge.verify(seen, before, applied_at=T0, extended=True, now=at(71)).why == "it did not help"
    assert JUDGE.verify(seen, before, applied_at=T0, extended=True, now=at(71)).outcome == "yes"


def test_what_worked_though_the_symptom_is_still_seen_says_what_is_left_of_it() -> None:
    """An endpoint that is left out fails as before, and hurts nobody."""
    lenient = definition(worked={"signal": "slow", "below": 0.7})
    judge = Judge(lenient, policy({}, lenient.policy))
    seen = [measure(0.6, moment=at(31 + 3 * i)) for i in range(10)]
    verdict = judge.verify(seen, measure(0.9), applied_at=T0, extended=False, now=at(71))
    assert (verdict.outcome, verdict.why) == ("yes", "the budget is tight; 60 % are still slow")


def test_a_confirmation_without_data_gives_up() -> None:
    seen = [measure(None, moment=at(3 * i)) for i in range(20)]
    assert JUDGE.confirm(seen, since=T0, now=at(39)).outcome == "wait"
    assert JUDGE.confirm(seen, since=T0, now=at(40)).why == "no data to confirm it by"


def test_what_got_worse_while_it_holds_is_taken_back() -> None:
    seen = [measure(0.9, moment=at(3))]
    verdict = JUDGE.hold(seen, measure(0.6), since=T0, until=at(600), now=at(3))
    assert (verdict.outcome, verdict.why) == ("no", "it got worse")


def test_a_decision_that_came_early_is_held_against_the_more_that_was_seen_until_the_remedy_was_laid() -> (
    None
):
    """Within seconds of its onset a window holds but the beginning of a failure."""
    early, later = measure(0.6), measure(0.9)
    assert JUDGE.baseline(early, later) is later
    assert JUDGE.baseline(later, early) is later
    assert not JUDGE.worsened(measure(0.95), JUDGE.baseline(early, later))
    nothing, calm = Measure(at=later.at, why_no_data="down"), measure(0.0)
    assert JUDGE.baseline(calm, nothing) is calm
    assert JUDGE.worsened(measure(0.95), early)
