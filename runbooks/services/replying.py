"""What people say of a run's steps: yes or no to its question, and what became of a call nobody knows of."""

from datetime import datetime
from typing import Literal

from django.db import transaction

import audit.services
from audit.domain.actor import Actor
from runbooks.domain.calls import CALL
from runbooks.domain.states import WrongState
from runbooks.models import Act, Run
from runbooks.services import telling
from runbooks.services.people import UnknownRun

Happened = Literal["happened", "not_happened"]
ASKED_IN = "MITIGATING"


class NothingAsked(Exception):
    """The run asks nothing at this step, or no longer."""


@transaction.atomic
def answer(*, run_id: int, place: int, yes: bool, by: Actor, reason: str, now: datetime) -> None:
    """Answer the question of a step, once. The run goes on, or turns back, at its next round.

    Raises UnknownRun, WrongState, NothingAsked.
    """
    run = _locked(run_id)
    if run.state != ASKED_IN:
        raise WrongState(run.state, "answer")
    act = run.acts.select_for_update().filter(place=place, phase="do", kind="ask", state="due").first()
    if act is None:
        raise NothingAsked("this question is answered, or was never asked")
    said = f"{'yes' if yes else 'no'}, says {by.name}" + (f": {reason}" if reason else "")
    _write(act, CALL["due"]["do" if yes else "refuse"], said, by=by, reason=reason, now=now)


@transaction.atomic
def settle(
    *, run_id: int, place: int, phase: str, became: Happened, by: Actor, reason: str, now: datetime
) -> None:
    """Say what became of a call whose outcome is unknown: what happened is then taken back.

    Raises UnknownRun, NothingAsked.
    """
    run = _locked(run_id)
    act = run.acts.select_for_update().filter(place=place, phase=phase, state="unknown").first()
    if act is None:
        raise NothingAsked("the outcome of this step is not unknown")
    state = CALL["unknown"][became]
    said = f"{became.replace('_', ' ')}, says {by.name}" + (f": {reason}" if reason else "")
    _write(act, state, said, by=by, reason=reason, now=now)


def _write(act: Act, state: str, said: str, *, by: Actor, reason: str, now: datetime) -> None:
    act.state, act.answer = state, said
    act.save(update_fields=["state", "answer"])
    telling.replied(act, said, now=now)
    audit.services.record(
        by=by,
        action="run.answer",
        target=act.run.target,
        reason=reason,
        now=now,
        detail={"run": act.run_id, "step": act.place, "phase": act.phase, "outcome": state},
    )


def _locked(run_id: int) -> Run:
    run = Run.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        raise UnknownRun(f"there is no run {run_id}")
    return run
