"""A step at weight 0: who asks for the canary gets it, and nobody else. A person takes the next step."""

from datetime import datetime
from typing import Any

from django.db import transaction

from audit.domain.actor import automation
from canary.models import Rollout
from canary.services import hooking, moving, telling
from canary.services.pushing import Followed

WHY = (
    "only who asks for the canary gets it: such traffic is no sample of the route's, so nothing is judged by"
    " it and a person takes the next step"
)


def hold(rollout: Rollout, followed: Followed, *, now: datetime) -> None:
    """Once every proxy runs the arms, ask a person, in any mode; until then say what is missing."""
    seen: dict[str, Any] = {"push": followed.push, "problem": followed.problem}
    with transaction.atomic():
        followed.write_step(rollout)
        hooking.announce(rollout, acked=followed.acked, now=now)
        if rollout.state != "running" or not followed.verified:
            moving.commit(rollout, now=now, **seen)
            return
        moving.commit(rollout, event="earn", by=automation("judge"), reason=WHY, now=now, **seen)
        rollout.steps.filter(ended_at=None).update(reason=WHY)
        telling.asks(rollout, moving.next_weights(rollout), now=now)
