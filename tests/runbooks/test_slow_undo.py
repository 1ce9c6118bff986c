"""An undo whose receiver does not answer: it is sent on, and one person is called once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import alerts.selectors
from runbooks import services
from runbooks.models import Act
from tests.runbooks.stepping import RETRY_OFF, Stepping, alone, stepping, webhook
from tests.runbooks.world import ANN

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    monkeypatch.setenv("SLUICE_HOOK_SECRET_OPS", "what the tests sign with")
    settings.HOOK_HOSTS = ["127.0.0.1"]
    with alone():
        yield


def undoing(*, deadline: str, mode: str = "unavailable", before: tuple[dict[str, Any], ...] = ()) -> Stepping:
    """A run that a person cancelled, whose receiver then fails as `mode` says."""
    w = stepping(*before, webhook(deadline=deadline))
    w.storm()
    w.until("VERIFYING")
    w.receiver.mode = mode
    services.cancel(run_id=w.run().id, by=ANN, reason="stop", now=w.now)
    return w


def calls_for_a_person() -> list[str]:
    found = [message for message in alerts.selectors.messages() if message.kind == "NEEDS_HUMAN"]
    return [message.text for message in reversed(found)]


def test_an_undo_has_until_its_own_deadline_before_a_person_is_called() -> None:
    w = undoing(deadline="60s")
    w.ticks(15)  # longer than `revert_within`, which is 10 s here
    assert (w.states(), calls_for_a_person()) == (["REVERTING"], [])
    w.receiver.mode = "ok"
    w.until("CANCELLED")
    assert w.receiver.done == ["a", "un-a"]
    assert calls_for_a_person() == []


def test_an_undo_that_gets_no_answer_calls_for_a_person_once() -> None:
    w = undoing(deadline="60s")
    w.ticks(150)
    assert w.states() == ["NEEDS_HUMAN"]
    assert w.events().count("stuck") == 1
    assert len(calls_for_a_person()) == 1


def test_what_a_person_is_called_for_is_still_sent_and_ends_by_itself() -> None:
    """The revert is not acknowledged in time; the undo, which may take longer, goes on."""
    w = undoing(deadline="5m", before=(RETRY_OFF,))
    w.acking = False
    w.until("NEEDS_HUMAN")
    assert "is not acknowledged by" in w.run().why
    w.acking = True
    w.ticks(3)
    assert w.states() == ["NEEDS_HUMAN"]
    w.receiver.mode = "ok"
    w.until("CANCELLED")
    assert w.receiver.done == ["a", "un-a"]
    assert len(calls_for_a_person()) == 1


def test_while_nothing_sends_the_run_waits_and_calls_once() -> None:
    w = undoing(deadline="60s")
    w.receiver.mode = "ok"
    w.send = lambda: 0  # type: ignore[method-assign]
    w.ticks(120)
    assert (w.states(), len(calls_for_a_person())) == (["NEEDS_HUMAN"], 1)
    assert Act.objects.get(phase="undo").state == "due"


def test_an_attempt_that_a_dead_worker_had_in_hand_calls_for_nobody_twice() -> None:
    w = stepping(webhook())
    w.storm()
    w.until("MITIGATING")
    act = Act.objects.get()
    Act.objects.update(
        state="sending", claimed_until=w.now + timedelta(seconds=60), attempts=act.attempts + 1
    )
    services.cancel(run_id=w.run().id, by=ANN, reason="stop", now=w.now)
    w.ticks(20)
    assert (w.states(), len(calls_for_a_person())) == (["NEEDS_HUMAN"], 1)
    w.until("CANCELLED")
    assert len(calls_for_a_person()) == 1
