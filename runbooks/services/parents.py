"""Causes that explain what a runbook sees and that something is done about: only they hold it back."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import alerts.selectors
import canary.selectors
from alerts.domain import causes
from alerts.selectors import CauseRow
from proxy.domain.tier import Tier
from runbooks.domain.targets import upstreams_of
from runbooks.models import Run
from runbooks.services.watched import Watched

# A cause counts for so long after its first signal, whatever is done about it: some twenty rounds in which
# its own runbook, or a rollout, decides. After that only what is done counts, or what merely tells would
# disarm every runbook behind it for as long as it fires.
DECIDES_WITHIN = timedelta(seconds=60)


def parent(tier: Tier, watched: Watched, subject: str, about: Mapping[str, str], *, now: datetime) -> str:
    """A cause that explains ours, fires here or at an upstream of ours, and is being handled; or nothing.

    At most three queries, however many fire.
    """
    through = upstreams_of(watched.definition.scope, subject, tier)
    found = alerts.selectors.unhandled_causes(tier=tier.name, through=through, **about)
    mine = [row for row in found if causes.explains(row.cause, watched.definition.cause)]
    new = [row.cause for row in mine if now - row.first_seen < DECIDES_WITHIN]
    return min(new or _acted_on(mine), default="")


def _acted_on(rows: Sequence[CauseRow]) -> list[str]:
    """The causes of those that an open run of their own runbook is about, or a rollout that has not ended."""
    if not rows:
        return []
    incidents = {row.incident for row in rows}
    open_runs = Run.objects.open().filter(incident__in=incidents)
    runs = set(open_runs.values_list("incident", "runbook"))
    rollouts = canary.selectors.incidents_of_live(incidents)
    return [
        row.cause
        for row in rows
        if (row.incident, row.runbook) in runs or (row.cause == "canary" and row.incident in rollouts)
    ]
