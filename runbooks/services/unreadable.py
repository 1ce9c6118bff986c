"""Runs whose snapshot this Sluice cannot read, as after an upgrade: nothing can be judged by it any more."""

from typing import Any

from django.db import transaction

from runbooks.domain.judging import unreadable
from runbooks.domain.states import ACTING
from runbooks.models import Run
from runbooks.services import acting, telling
from runbooks.services.looking import BY, Round
from runbooks.services.moving import lock, move


def give_up(run: Run, error: ValueError, round: Round) -> None:
    """Take its overlays away and call for a person; suppress it where it has not acted. Raises Overtaken.

    A person sees to what else it did, and closes it.
    """
    if run.state == "NEEDS_HUMAN":
        return
    why = f"its runbook as it began with it cannot be read: {unreadable(error)}"
    with transaction.atomic():
        lock(run)
        if run.state in ACTING:
            _take_away(run, why, round)
        else:
            move(run, "suppress", why=why, by=BY, now=round.now, ended_at=round.now)


def _take_away(run: Run, why: str, round: Round) -> None:
    generation = acting.take_away(run, release=False, why=why, by=BY, now=round.now)
    if run.state != "REVERTING":
        fields: dict[str, Any] = {"ending": "FAILED_REVERTED", "ending_why": why, "generation": generation}
        move(run, "revert", why=why, by=BY, now=round.now, **fields)
    move(run, "stuck", why=why, by=BY, now=round.now)
    telling.need_a_person(run, round.now)
    round.forget(run.tier)
