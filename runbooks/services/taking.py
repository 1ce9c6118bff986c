"""A person takes a run: the machine moves it no more, its overlays stay until they expire, and the person
says what comes next.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

import proxy.services
from audit.domain.actor import Actor
from proxy.domain.errors import ProxyError
from runbooks.domain.judging import judge_from
from runbooks.models import Run
from runbooks.services.moving import move
from runbooks.services.people import locked


class TooLong(Exception):
    """The overlays cannot be extended so far, for the reason told."""


@transaction.atomic
def take(*, run_id: int, by: Actor, reason: str, now: datetime) -> None:
    """Have the run to oneself. What a worker has in flight fails to commit. Raises UnknownRun, WrongState."""
    run = locked(run_id)
    move(run, "take", why=reason or "taken over", by=by, now=now, taken_by=by.name)


@transaction.atomic
def give_back(*, run_id: int, by: Actor, reason: str, now: datetime) -> None:
    """Let the machine go on: it looks anew whether the remedy works. Raises UnknownRun, WrongState."""
    run = locked(run_id)
    why = reason or "given back"
    # What was measured meanwhile is of the person's doing: the window begins anew.
    fields: dict[str, Any] = {"taken_by": "", "extended": False, "applied_at": now}
    move(run, "give_back", why=why, by=by, now=now, **fields)


@transaction.atomic
def extend(*, run_id: int, until: datetime, by: Actor, reason: str, now: datetime) -> None:
    """Let the overlays live until then, within the policy's `longest` since they were decided.

    Raises UnknownRun, WrongState, TooLong.
    """
    run = locked(run_id)
    fields: dict[str, Any] = {"overlay_expires_at": until}
    move(run, "extend", why=reason or f"until {until:%H:%M:%S} UTC", by=by, now=now, **fields)
    _check(run, until, now)
    try:
        for target, fence in sorted(run.fences.items()):
            proxy.services.renew_overlay(
                tier=run.tier, target=target, owner=run.owner, fence=fence, expires_at=until, now=now
            )
    except ProxyError as error:
        raise TooLong(f"its overlays are over: {error}") from error


def _check(run: Run, until: datetime, now: datetime) -> None:
    longest: timedelta = judge_from(run.definition, run.policy).policy.longest
    last = (run.mitigated_at or run.started_at) + longest
    if until <= now:
        raise TooLong("that is over already: cancel and revert to end it now")
    if until > last:
        raise TooLong(f"at most until {last:%Y-%m-%d %H:%M:%S} UTC: {longest} after it was decided")
