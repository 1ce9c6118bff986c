"""What an attempt's answer makes of a call, and how many instances are wanted."""

import pytest

from runbooks.domain.calls import CALL, Answer, Phase, after_death, again_after, event_of, key_of, words_of
from runbooks.domain.scaling import NotNow, Scaling, scaling


@pytest.mark.parametrize(
    ("answer", "repeatable", "once"),
    [
        (Answer(200), "done", "done"),
        (Answer(204), "done", "done"),
        (Answer(403), "refused", "refused"),
        (Answer(422), "refused", "refused"),
        (Answer(409), "again", "refused"),
        (Answer(429), "again", "refused"),
        (Answer(500), "again", "lost"),
        (Answer(503), "again", "lost"),
        (Answer(307), "again", "lost"),
        (Answer(None), "again", "lost"),
        (Answer(sent=False), "again", "again"),
    ],
)
def test_what_may_have_arrived_is_repeated_only_where_its_key_is_known(
    answer: Answer, repeatable: str, once: str
) -> None:
    assert event_of(answer, repeatable=True) == repeatable
    assert event_of(answer, repeatable=False) == once


def test_a_worker_that_died_while_it_sent_knows_no_more_than_silence_does() -> None:
    assert (after_death(repeatable=True), after_death(repeatable=False)) == ("again", "lost")


def test_attempts_grow_apart() -> None:
    assert [again_after(attempts) for attempts in (1, 2, 3, 4, 5, 50)] == [1, 2, 4, 8, 15, 15]


def test_only_a_person_says_what_became_of_an_unknown_call() -> None:
    assert set(CALL["unknown"]) == {"happened", "not_happened"}
    assert [state for state, events in CALL.items() if not events] == ["done", "refused", "dropped"]


def test_a_call_and_its_undo_have_keys_of_their_own() -> None:
    phases: tuple[Phase, ...] = ("do", "undo")
    assert len({key_of(run=7, step=step, phase=phase) for step in (0, 1) for phase in phases}) == 4


def test_what_a_receiver_says_is_one_short_line() -> None:
    assert words_of(500, b"a\nb\x00" + b"x" * 1000).startswith("HTTP 500: a b")
    assert len(words_of(500, b"x" * 1000)) == 300
    assert words_of(204, b"") == "HTTP 204"


def test_wanted_instances_are_as_the_horizontal_pod_autoscaler_has_them() -> None:
    # Kubernetes' example: 100 m wanted, 200 m used: twice as many.
    assert scaling(instances=2, load=200, target=100, at_least=1, at_most=10) == Scaling(
        2, 4, "2 x 200 / 100 = 4.00"
    )
    assert scaling(instances=4, load=0.93, target=0.7, at_least=1, at_most=10).wanted == 6
    assert scaling(instances=4, load=0.75, target=0.5, at_least=1, at_most=10).wanted == 6


def test_wanted_instances_stay_within_their_bounds() -> None:
    assert scaling(instances=4, load=3, target=0.5, at_least=1, at_most=10).wanted == 10
    assert scaling(instances=1, load=0.5, target=0.5, at_least=3, at_most=10).wanted == 3


@pytest.mark.parametrize(
    ("instances", "load", "why"),
    [
        (None, 1.0, "not known"),
        (4.0, None, "not known"),
        (0.0, 1.0, "no instance"),
        (4.0, 0.1, "4 instances are enough"),
        (10.0, 9.0, "10 is the most"),
    ],
)
def test_a_remedy_takes_no_instances_away_and_guesses_none(
    instances: float | None, load: float | None, why: str
) -> None:
    with pytest.raises(NotNow, match=why):
        scaling(instances=instances, load=load, target=0.5, at_least=1, at_most=10)
