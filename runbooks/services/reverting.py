"""Takes back what a run did, and sees that every proxy did; what cannot be taken back calls for a person."""

from typing import Any

from django.db import transaction

from runbooks.models import Run
from runbooks.services import acting, performing, telling
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


def stopped(run: Run, look: Look) -> bool:
    """Take it back where the kill switch is on."""
    return look.round.killed and revert(run, look, "FAILED_REVERTED", "the kill switch is on")


def reverting(run: Run, look: Look) -> bool:
    """Take back what is no overlay, and end the run when every proxy acknowledges that those are gone."""
    back = performing.take_back(run, look)
    if back.state == "moved":
        return True
    if back.state == "stuck":
        return _stuck(run, look, back.why)
    progress = look.round.progress(run)
    if back.state == "clear" and progress.complete:
        with transaction.atomic():
            lock(run)
            acting.take_away(run, release=True, why="reverted", by=BY, now=look.now)
            event = ENDING_EVENTS[run.ending]
            move(run, event, why=run.ending_why, by=BY, now=look.now, ended_at=look.now)
            telling.ended(run, look.now)
            acted(run, telling.ended_words(run), look.now)
        return False
    late = run.entered_at + look.policy.revert_within
    if not progress.complete and look.now >= late:
        return _stuck(run, look, f"the revert is not acknowledged by {missing(progress.acked)}")
    if look.now >= max(late, back.until or late):
        return _stuck(run, look, "what was called does not answer")
    return False


def _stuck(run: Run, look: Look, why: str) -> bool:
    with transaction.atomic():
        move(run, "stuck", why=why, by=BY, now=look.now)
        telling.need_a_person(run, look.now)
    return False


def needs_human(run: Run, look: Look) -> bool:
    """It goes on by itself when what stood in its way is gone."""
    if not look.round.progress(run).complete or performing.unsettled(run):
        return False
    with transaction.atomic():
        move(run, "revert", why="nothing stands in its way any more", by=BY, now=look.now)
    return True
