"""Workers that die at any commit of a step: nothing is done twice, and what may be sent once is sent once."""

from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

import alerts.selectors
from runbooks.domain.states import ENDED
from runbooks.models import Act
from tests.runbooks.stepping import RETRY_OFF, TELL, Stepping, cancel, storming, webhook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver_beside")]


STEPS = (TELL, RETRY_OFF, webhook("a"), webhook("b", repeatable=False))
MODES = ("ok", "silent", "lost", "unavailable", "refused connection", "refuse")
EVENT = st.sampled_from(["round", "cancel", *MODES]) | st.integers(1, 9)


def play(events: list[Any]) -> None:
    w = storming(*STEPS)
    w.until("MITIGATING")
    for event in events:
        if event == "cancel" and w.run().can_cancel and w.run().state != "NEEDS_HUMAN":
            cancel(w)
        elif isinstance(event, int):
            w.crash(event)
        elif event in MODES:
            w.receiver.mode = event
        w.tick()
        check(w)
    # Liveness: once faults stop, the run ends by itself or needs a person, who may end it.
    w.receiver.mode = "ok"
    w.healthy()
    for _ in range(90):
        if w.states()[0] in (*ENDED, "NEEDS_HUMAN"):
            break
        w.tick()
    check(w)
    assert w.states()[0] in (*ENDED, "NEEDS_HUMAN")
    if w.states()[0] == "NEEDS_HUMAN":
        cancel(w)
    assert w.live() == []
    assert len(alerts.selectors.messages()) == len({m.key for m in alerts.selectors.messages()})


def check(w: Stepping) -> None:
    """Nothing is done without its intent, nothing twice, and what may be sent once is sent once."""
    keys = {act.key: act for act in Act.objects.all()}
    assert set(w.receiver.came) <= set(keys)
    assert all(w.receiver.came[key] <= 1 for key, act in keys.items() if not act.said.get("repeatable", True))
    assert len(w.receiver.done) == len(set(w.receiver.done))
    assert all(
        act.state != "done" or act.kind == "tell" or act.key in w.receiver.known for act in keys.values()
    )
    order = [call for call in w.receiver.done if not call.startswith("un-")]
    assert order == sorted(order)


@given(events=st.lists(EVENT, max_size=14))
@settings(max_examples=10, deadline=None)
def test_no_order_of_deaths_silences_and_cancels_breaks_an_invariant(events: list[Any]) -> None:
    with transaction.atomic():
        play(events)
        transaction.set_rollback(True)


@pytest.mark.parametrize("at", range(1, 9))
def test_a_worker_that_dies_after_any_commit_of_the_first_rounds_leaves_a_sound_run(at: int) -> None:
    play([at, at, at])
