"""Trying a canary again after it was rolled back: a rollout of its own, with the same plan."""

from datetime import datetime
from typing import cast

from audit.domain.actor import Actor
from canary.domain.errors import UnknownRollout
from canary.domain.states import WrongState
from canary.models import Rollout
from canary.services.starting import Mode, start


def retry(*, rollout_id: int, by: Actor, reason: str = "", now: datetime) -> int:
    """Start what was rolled back anew, from its first step; returns the new rollout's number.

    All that it learnt is judged anew. Raises UnknownRollout, WrongState, and what `start` raises: where two
    retry at once, the second is told LiveRollout.
    """
    old = Rollout.objects.filter(pk=rollout_id).first()
    if old is None:
        raise UnknownRollout("rollout", f"there is no rollout {rollout_id}")
    if old.state != "rolled_back":
        raise WrongState(old.state, "retry")
    said = f"retry of rollout {old.pk}: {reason}" if reason else f"retry of rollout {old.pk}"
    return start(
        route=old.route_id,
        upstream=old.upstream,
        plan=old.plan,
        mode=cast(Mode, old.mode),
        reason=said,
        retry_of=old.pk,
        by=by,
        now=now,
    )
