"""A promotion on its way: the overlay gives the canary everything, then the same becomes the configuration."""

from datetime import datetime

from django.db import transaction

import proxy.services
from canary.domain.plan import WHOLE, weights
from canary.models import Rollout
from canary.services import baking, hooking, moving, pushing, staying, telling
from canary.services.pushing import Followed
from canary.services.telling import JUDGE
from proxy.ports import ProxyAdmin


def go_on(rollout: Rollout, followed: Followed, *, admin: ProxyAdmin, now: datetime) -> None:
    """The overlay gives everything, then the same becomes the base and the overlay goes, then it is done."""
    followed = pushing.read_back(rollout, followed, admin=admin, now=now)
    if followed.push["stage"] != "base" and followed.refused:
        staying.back(rollout, followed, now)
        return
    rollout.push = followed.push
    with transaction.atomic():
        followed.write_step(rollout)
        if not followed.verified:
            _wait(rollout, followed, now)
        elif followed.push["stage"] == "bake":
            baking.begin(rollout, followed, now=now)
        elif followed.push["stage"] == "overlay":
            _take_over(rollout, followed, now)
        else:
            _end(rollout, followed, now)


def _wait(rollout: Rollout, followed: Followed, now: datetime) -> None:
    moving.commit(rollout, now=now, push=followed.push, problem=followed.problem)
    if followed.late:
        telling.not_obeyed(rollout, f"the promotion is not obeyed yet: {followed.problem}", now=now)


def _take_over(rollout: Rollout, followed: Followed, now: datetime) -> None:
    """What the overlay gives becomes the route's configuration, unless something holds it."""
    hold = hooking.held_whole(rollout, now=now)
    if hold is not None:
        staying.wait(rollout, hold, "", {"push": followed.push}, now)
        return
    _make_base(rollout, now)


def _make_base(rollout: Rollout, now: datetime) -> None:
    moving.lock(rollout)
    split = weights(rollout.base, rollout.upstream, WHOLE)
    by = moving.decider(rollout) or JUDGE
    proxy.services.publish_split(
        tier=rollout.tier, route=rollout.route_name, weights=split, by=by, reason=rollout.reason, now=now
    )
    generation = moving.release(rollout, by=JUDGE, reason=rollout.reason, now=now)
    sent = moving.push(rollout, generation, split, stage="base", by=by, now=now)
    moving.commit(rollout, now=now, push=sent, fence=None, overlay_expires_at=None, problem="")


def _end(rollout: Rollout, followed: Followed, now: datetime) -> None:
    """Every proxy shows it as its configuration."""
    moving.leave_step(rollout, verdict="promoted", reason=rollout.reason, now=now)
    done = {"push": followed.push, "problem": ""}
    moving.commit(rollout, event="verify", by=JUDGE, reason=rollout.reason, now=now, **done)
    telling.promoted(rollout, by=moving.decider(rollout) or JUDGE, now=now)
