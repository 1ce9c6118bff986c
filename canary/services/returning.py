"""Taking a canary's traffic back where the other arms have no room for all of it: in stages, bounded in time.

A stage takes as much as they can bear. What they cannot is no worse off with the canary than with them: there
it fails as often as the canary does, here it would be shed or slow down what they serve. The plan's
`longest_return` ends it, or a person at once; where every worker is dead, the overlay's end does.
"""

from datetime import datetime

from audit.domain.actor import Actor
from canary import room
from canary.models import Rollout
from canary.services import moving, pushing


def go_on(rollout: Rollout, followed: pushing.Followed, *, by: Actor, now: datetime) -> None:
    """The next stage once the one before is obeyed; all that is left once the time is over."""
    over = now >= datetime.fromisoformat(rollout.push["return_by"])
    share = rollout.weight
    if over:
        share = 0
    elif followed.acked:
        share = room.of_rollout(rollout, now).stage(share)
    if share == rollout.weight:
        moving.commit(rollout, now=now, push=followed.push, problem=waits(rollout, now))
        return
    laid = moving.lay_back(rollout, share=share, reason=rollout.reason, by=by, now=now)
    moving.commit(rollout, now=now, problem="", **laid)


def at_once(rollout: Rollout, *, by: Actor, reason: str, now: datetime) -> None:
    """All that is left, whatever the arms can take. To be committed with the person's event."""
    laid = moving.lay_nothing(rollout, reason=reason, by=by, now=now)
    moving.commit(rollout, event="force", by=by, reason=reason, now=now, problem="", **laid)


def waits(rollout: Rollout, now: datetime) -> str:
    """Why the canary has some traffic still, with the figures, and until when at the longest."""
    found = room.of_rollout(rollout, now).shortage or "the stage before is on its way"
    until = datetime.fromisoformat(rollout.push["return_by"])
    return (
        f"{rollout.weight / 100:g} % stays with {rollout.upstream} for now, until"
        f" {until:%H:%M:%S} UTC at the longest: {found}"
    )
