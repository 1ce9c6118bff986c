"""Gathers the facts that a gate decides on. Read under the lock of the kill switch, so that two workers count
one after the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import alerts.selectors
import proxy.selectors
from alerts.domain import causes
from proxy.domain.tier import Tier
from runbooks import selectors
from runbooks.domain.gate import Facts, Gate, gate
from runbooks.domain.plan import routes_touched
from runbooks.domain.targets import splits_of, upstreams_of
from runbooks.models import Run, Switch
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
    approvals: int,
    by_hand: str = "",
    now: datetime,
) -> Gate:
    """What the gate says on what holds now. Inside the caller's transaction."""
    found = _facts(tier, watched, subject, patches=patches, killed=lock_switch().on, now=now)
    return gate(replace(found, approvals=approvals, by_hand=by_hand), watched.judge.policy, now=now)


def stops(
    tier: Tier,
    watched: Watched,
    subject: str,
    *,
    patches: Sequence[Mapping[str, Any]],
    by: str,
    now: datetime,
) -> str:
    """What would stop a person who starts it now, or nothing. Reads only."""
    killed = Switch.objects.filter(name=KILL, on=True).exists()
    found = _facts(tier, watched, subject, patches=patches, killed=killed, now=now)
    answer = gate(replace(found, by_hand=by), watched.judge.policy, now=now)
    return answer.why if answer.answer == "stop" else ""


def _facts(
    tier: Tier,
    watched: Watched,
    subject: str,
    *,
    patches: Sequence[Mapping[str, Any]],
    killed: bool,
    now: datetime,
) -> Facts:
    policy = watched.judge.policy
    recent = Run.objects.filter(mitigated_at__gte=now - policy.actions_window)
    mine = Run.objects.on(runbook=watched.slug, tier=tier.name, subject=subject)
    ended = mine.exclude(state__in=("SUPPRESSED", "NOT_CONFIRMED")).exclude(ended_at=None)
    scope = watched.definition.scope
    about: dict[str, str] = {scope: subject} if scope in ("route", "upstream") else {}
    return Facts(
        mode=selectors.mode(runbook=watched.slug, tier=tier),
        killed=killed,
        silenced=alerts.selectors.silenced(tier=tier.name, now=now, **about),
        parent=_parent(tier, watched, subject, about),
        last_ended_at=ended.order_by("-ended_at").values_list("ended_at", flat=True).first(),
        acted_recently=mine.filter(mitigated_at__gte=now - policy.flap_window).count(),
        actions=recent.filter(runbook=watched.slug).count(),
        actions_in_all=recent.count(),
        routes_touched=len(routes_touched([*patches, *_live_patches(tier.name, now)], splits_of(tier))),
        routes=len(tier.routes),
        approvals=0,
    )


def _parent(tier: Tier, watched: Watched, subject: str, about: Mapping[str, str]) -> str:
    """A cause that explains ours, fires here or at an upstream of ours, and that nobody has handled yet."""
    through = upstreams_of(watched.definition.scope, subject, tier)
    found = alerts.selectors.unhandled_causes(tier=tier.name, through=through, **about)
    return next((each for each in sorted(found) if causes.explains(each, watched.definition.cause)), "")


def _live_patches(tier: str, now: datetime) -> list[dict[str, Any]]:
    """What other runs hold. A rollout's weights are no mitigation."""
    live = proxy.selectors.live_overlays(tier, now=now)
    return [overlay.patch for overlay in live if overlay.owner.startswith("run/")]
