"""Makes the plan that a person reads and approves: the exact change, its undo, its blast radius."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import proxy.differences
import proxy.selectors
from proxy.domain.patches import target_of
from proxy.domain.tier import Tier
from runbooks.domain.plan import Plan, routes_touched, summary
from runbooks.domain.policy import Policy


def make_plan(*, tier: Tier, patches: Sequence[dict[str, Any]], policy: Policy, now: datetime) -> Plan:
    """The plan for these patches on what the tier runs now."""
    targets = tuple(target_of(patch) for patch in patches)
    splits = {route.name: dict(route.split) for route in tier.routes}
    changes = proxy.differences.difference(tier.name, patches, now=now)
    return Plan(
        summary=summary(patches),
        patches=tuple(patches),
        targets=targets,
        changes=tuple(str(change) for change in changes),
        undo=f"delete the overlay on {', '.join(targets)}; each proxy acknowledges it",
        routes=tuple(sorted(routes_touched(patches, splits))),
        proxies=tuple(sorted(each.name for each in tier.proxies)),
        expires_after_seconds=policy.expiry.total_seconds(),
    )
