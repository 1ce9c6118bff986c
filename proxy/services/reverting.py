"""Going back to an earlier revision: it is published anew, by the same checks as any declaration."""

from datetime import datetime

from audit.domain.actor import Actor
from proxy import revisions, validation
from proxy.services.declaring import Applied, Gate, apply


def revert(
    *,
    tier: str,
    number: int,
    by: Actor,
    reason: str,
    now: datetime,
    made_from: int | None = None,
    gate: Gate = validation.check,
) -> Applied:
    """Publish revision `number` of the tier as its newest one. Nothing is published where they are equal.

    `made_from` is the newest revision that the person saw. Raises UnknownRevision, Overtaken, or Invalid,
    such as for the split of a route that a rollout holds.
    """
    back = revisions.published(tier, number)
    return apply(
        document={"tiers": [back.declaration()]},
        by=by,
        reason=f"back to revision {number}: {reason}",
        now=now,
        gate=gate,
        made_from=None if made_from is None else {tier: made_from},
    )
