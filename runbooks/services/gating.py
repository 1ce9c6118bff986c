"""Gathers the facts that a gate decides on. Read under the lock of the kill switch, so that two workers count
one after the other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import alerts.selectors
import proxy.selectors
from alerts.domain import causes
from proxy.domain.tier import Tier
from runbooks import selectors
from runbooks.domain.gate import Facts, Gate, gate
from runbooks.domain.plan import routes_touched
from runbooks.domain.targets import splits_of
from runbooks.models import Approval, Run, Switch
from runbooks.services.watched import Watched

KILL = "kill"


def lock_switch() -> Switch:
    """The kill switch's row, locked until the caller's transaction ends."""
    Switch.objects.get_or_create(name=KILL)
    return Switch.objects.select_for_update().get(name=KILL)


def decide(
    tier: Tier,
    watched: Watched,
    subject: str,
    *,
    patches: Sequence[Mapping[str, Any]],
    approval: Approval | None,
    now: datetime,
) -> Gate:
    """What the gate says on what holds now. Inside the caller's transaction."""
    switch, policy = lock_switch(), watched.judge.policy
    recent = Run.objects.filter(mitigated_at__gte=now - policy.actions_window)
    mine = Run.objects.on(runbook=watched.slug, tier=tier.name, subject=subject)
    ended = mine.exclude(state__in=("SUPPRESSED", "NOT_CONFIRMED")).exclude(ended_at=None)
    route = subject if watched.definition.scope == "route" else ""
    facts = Facts(
        mode=selectors.mode(runbook=watched.slug, tier=tier),
        killed=switch.on,
        silenced=alerts.selectors.silenced(tier=tier.name, route=route, now=now),
        parent=_parent(tier.name, route, watched.definition.cause),
        last_ended_at=ended.order_by("-ended_at").values_list("ended_at", flat=True).first(),
        acted_recently=mine.filter(mitigated_at__gte=now - policy.flap_window).count(),
        actions=recent.filter(runbook=watched.slug).count(),
        actions_in_all=recent.count(),
        routes_touched=len(routes_touched([*patches, *_live_patches(tier.name, now)], splits_of(tier))),
        routes=len(tier.routes),
        approved=approval is not None,
    )
    return gate(facts, policy, now=now)


def _parent(tier: str, route: str, cause: str) -> str:
    """A cause that explains ours, fires here and that nothing has been done about yet."""
    found = alerts.selectors.unhandled_causes(tier=tier, route=route)
    return next((each for each in sorted(found) if causes.explains(each, cause)), "")


def _live_patches(tier: str, now: datetime) -> list[dict[str, Any]]:
    """What other runs hold. A rollout's weights are no mitigation."""
    live = proxy.selectors.live_overlays(tier, now=now)
    return [overlay.patch for overlay in live if overlay.owner.startswith("run/")]
