"""Mode observe: the judge says what it would do, and moves nothing. People may."""

from datetime import datetime
from typing import Any

from canary.models import Rollout
from canary.services import moving, telling
from canary.services.judging import Look

WOULD = {"fail": "it would be rolled back", "pass": "it would go up"}


def note(rollout: Rollout, look: Look, seen: dict[str, Any], *, now: datetime) -> None:
    """Keep what was seen, and say once a step what auto would have done. In the caller's transaction.

    What failed in a bake, which a person began, is kept: then only a person ends it.
    """
    kind = look.judgement.kind
    if kind not in WOULD or look.decided_by is None:
        moving.commit(rollout, now=now, **seen)
        return
    would = "it would be paused" if look.judgement.action == "pause" else WOULD[kind]
    said = f"{would}: {look.judgement.reason}"
    problem = said if kind == "fail" else seen["problem"]
    if kind == "fail" and rollout.state == "baking":
        failed = {*seen["evidence"].get("paused_by", []), look.judgement.metric}
        seen = {**seen, "evidence": {**seen["evidence"], "paused_by": sorted(failed)}}
    moving.commit(rollout, now=now, **{**seen, "problem": problem})
    rollout.steps.filter(ended_at=None).update(reason=said)
    telling.observed(rollout, kind, said, now=now)
