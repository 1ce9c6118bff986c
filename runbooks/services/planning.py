"""Makes the plan that a person reads and approves: the exact change, its undo, its blast radius."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import proxy.differences
from proxy.domain.patches import target_of
from proxy.domain.tier import Tier
from runbooks.domain.measures import Measure
from runbooks.domain.plan import Plan, routes_touched, summary
from runbooks.domain.policy import Policy
from runbooks.domain.steps import spread
from runbooks.domain.targets import splits_of, upstreams_of
from runbooks.services.watched import Watched


def patches(tier: Tier, watched: Watched, subject: str, measured: Measure) -> list[dict[str, Any]]:
    """The patches of the runbook's remedy on this target as it is now. Raises UnknownPlaceholder."""
    scope, judge = watched.definition.scope, watched.judge
    names = {f"names.{signal}": list(found) for signal, found in measured.names.items()}
    known = {scope: subject, "tier": tier.name, **judge.policy.thresholds, **names}
    steps = spread(judge.remedy.steps, known, upstreams_of(scope, subject, tier))
    return [step["patch"] for step in steps]


def cannot(error: Exception) -> str:
    """Why there is no plan, in a sentence."""
    return f"it cannot be planned: {error}"


def make_plan(*, tier: Tier, patches: Sequence[dict[str, Any]], policy: Policy, now: datetime) -> Plan:
    """The plan for these patches on what the tier runs now. Raises Invalid, UnknownTarget."""
    targets = tuple(target_of(patch) for patch in patches)
    changes = proxy.differences.difference(tier.name, patches, now=now)
    return Plan(
        summary=summary(patches),
        patches=tuple(patches),
        targets=targets,
        changes=tuple(str(change) for change in changes),
        undo=f"delete the overlay on {', '.join(targets)}; each proxy acknowledges it",
        routes=tuple(sorted(routes_touched(patches, splits_of(tier)))),
        proxies=tuple(sorted(each.name for each in tier.proxies)),
        expires_after_seconds=policy.expiry.total_seconds(),
    )
