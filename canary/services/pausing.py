"""A metric that may pause a rollout and not roll it back: the weights stay, and a person decides."""

from datetime import datetime
from typing import Any

from canary.models import Rollout
from canary.services import moving, telling
from canary.services.judging import Look
from canary.services.telling import JUDGE


def pause(rollout: Rollout, look: Look, seen: dict[str, Any], *, now: datetime) -> None:
    """Pause a running rollout by a metric, once by each, and ask a person. In the caller's transaction.

    One that bakes has no step to stay at: `baking.look_after` ends no bake in which a metric failed.
    """
    paused_by = [*seen["evidence"].get("paused_by", []), look.judgement.metric]
    evidence = {**seen["evidence"], "paused_by": paused_by}
    if rollout.state == "baking":
        why = f"{look.judgement.metric} failed while it baked: {look.judgement.reason}"
        moving.commit(rollout, now=now, **{**seen, "evidence": evidence, "problem": why})
        telling.needs_human(rollout, why, now=now)
        return
    why = f"paused by {look.judgement.metric}: {look.judgement.reason}"
    moving.commit(
        rollout,
        event="pause",
        by=JUDGE,
        reason=why,
        now=now,
        **{**seen, "evidence": evidence, "problem": why},
    )
    telling.needs_human(rollout, why, now=now)
