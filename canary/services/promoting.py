"""A promotion on its way: the overlay gives the canary everything, then the same becomes the configuration.

It is judged to its end: as long as a proxy still asks both arms, a canary that turns bad is taken back.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

import proxy.services
from canary import freezes
from canary.domain.plan import WHOLE, weights
from canary.models import Observation, Rollout
from canary.services import baking, failing, hooking, judging, moving, observing, pushing, staying, telling
from canary.services.judging import Look
from canary.services.pushing import Followed
from canary.services.scraping import Scraped
from canary.services.telling import JUDGE
from proxy.ports import ProxyAdmin
from telemetry.domain.errors import MetricsError


def go_on(
    rollout: Rollout, followed: Followed, *, metrics: Scraped, admin: ProxyAdmin, now: datetime
) -> None:
    """The overlay gives everything, then the same becomes the base and the overlay goes, then it is done."""
    rollout.push = followed.push
    if _taken_back(rollout, metrics=metrics, now=now):
        return
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


def _taken_back(rollout: Rollout, *, metrics: Scraped, now: datetime) -> bool:
    """Judge it once more; True where it failed and its traffic goes.

    A promotion was earned, or is a person's decision: it waits for no measurement.
    """
    try:
        look = judging.look(rollout, moving.plan_of(rollout), metrics=metrics, now=now)
    except MetricsError:
        return False
    with transaction.atomic():
        Observation.objects.bulk_create(look.observations, ignore_conflicts=True)
        if failing.failed(rollout, look):
            failing.take_back(rollout, look, now=now)
            return True
        _keep(rollout, look, now)
    return False


def _keep(rollout: Rollout, look: Look, now: datetime) -> None:
    seen: dict[str, Any] = {
        "evidence": look.evidence,
        "folded_until": look.folded_until,
        "problem": rollout.problem,
    }
    if rollout.mode == "observe" and look.judgement.kind == "fail":
        observing.note(rollout, look, seen, now=now)
    else:
        moving.commit(rollout, now=now, **seen)


def _wait(rollout: Rollout, followed: Followed, now: datetime) -> None:
    moving.commit(rollout, now=now, push=followed.push, problem=followed.problem)
    if followed.late:
        telling.not_obeyed(rollout, f"the promotion is not obeyed yet: {followed.problem}", now=now)


def _take_over(rollout: Rollout, followed: Followed, now: datetime) -> None:
    """What the overlay gives becomes the route's configuration, unless its release or a hook holds it."""
    paused = freezes.of_release(rollout.pk)
    if paused is not None:
        why = f"it has everything, and becomes the configuration later: {paused.why}"
        moving.commit(rollout, now=now, push=followed.push, problem=why)
        return
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
