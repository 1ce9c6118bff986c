"""A canary that failed: its traffic goes, an incident opens, and people are told, all of it or nothing."""

from datetime import datetime
from typing import Any

from canary.models import Rollout
from canary.services import moving, pushing, telling
from canary.services.judging import Look
from canary.services.telling import JUDGE


def failed(rollout: Rollout, look: Look) -> bool:
    """Whether what was seen takes the canary's traffic away now."""
    judged = look.judgement
    fails = judged.kind == "fail" and judged.action != "pause" and look.decided_by is not None
    return fails and rollout.mode != "observe"


def take_back(rollout: Rollout, look: Look, *, now: datetime, no_data_since: datetime | None = None) -> None:
    """Decision, overlay, audit and message. In the caller's transaction. Raises Overtaken."""
    reason, before = look.judgement.reason, rollout.weight
    changes: dict[str, Any] = {
        "evidence": look.evidence,
        "folded_until": look.folded_until,
        "no_data_since": no_data_since,
        "evidence_at": pushing.moment(look.decided_by),
    }
    moving.away(rollout, event="fail", verdict="fail", by=JUDGE, reason=reason, now=now, **changes)
    incident = telling.failed(rollout, look.judgement, before=before, now=now)
    Rollout.objects.filter(pk=rollout.pk).update(incident=incident)
