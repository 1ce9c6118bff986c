"""Takes back what a run did, and sees that every proxy did; what cannot be taken back calls for a person."""

from typing import Any

from django.db import transaction

from runbooks.models import Run
from runbooks.services import acting, telling
from runbooks.services.looking import BY, Look, acted, missing
from runbooks.services.moving import lock, move

ENDING_EVENTS = {"SUCCEEDED": "succeeded", "FAILED_REVERTED": "failed", "CANCELLED": "cancelled"}


def revert(run: Run, look: Look, ending: str, why: str) -> bool:
    """Move to REVERTING and take the overlays away, together: no worker can lay them again."""
    with transaction.atomic():
        lock(run)
        generation = acting.take_away(run, release=False, why=why, by=BY, now=look.now)
        fields: dict[str, Any] = {"ending": ending, "ending_why": why, "generation": generation}
        move(run, "revert", why=why, by=BY, now=look.now, **fields)
    look.round.forget(run.tier)
    return True


def reverting(run: Run, look: Look) -> bool:
    """End the run when every proxy acknowledges that it is gone."""
    progress = look.round.progress(run)
    if progress.complete:
        with transaction.atomic():
            lock(run)
            acting.take_away(run, release=True, why="reverted", by=BY, now=look.now)
            event = ENDING_EVENTS[run.ending]
            move(run, event, why=run.ending_why, by=BY, now=look.now, ended_at=look.now)
            telling.ended(run, look.now)
            acted(run, telling.ended_words(run), look.now)
        return False
    if look.now - run.entered_at >= look.policy.revert_within:
        with transaction.atomic():
            why = f"the revert is not acknowledged by {missing(progress.acked)}"
            move(run, "stuck", why=why, by=BY, now=look.now)
            telling.need_a_person(run, look.now)
    return False


def needs_human(run: Run, look: Look) -> bool:
    """It goes on by itself when what stood in its way is gone."""
    if not look.round.progress(run).complete:
        return False
    with transaction.atomic():
        move(run, "revert", why="every proxy acknowledges again", by=BY, now=look.now)
    return True
