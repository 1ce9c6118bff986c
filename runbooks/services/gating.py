"""Gathers the facts that a gate decides on. Read under the lock of the kill switch, so that two workers count
one after the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

import alerts.selectors
import proxy.selectors
from proxy.domain.patches import target_of
from proxy.domain.tier import Tier
from proxy.selectors import OverlayRow
from runbooks import selectors
from runbooks.domain.blast import left_out, routes_touched
from runbooks.domain.gate import Facts, Gate, gate
from runbooks.domain.targets import splits_of
from runbooks.models import Act, Run, Switch
from runbooks.services.parents import parent
from runbooks.services.watched import Watched

KILL = "kill"
# Steps that change nothing.
SAYING = ("ask", "tell")


def lock_switch() -> Switch:
    """The kill switch's row, locked until the caller's transaction ends."""
    Switch.objects.get_or_create(name=KILL)
    return Switch.objects.select_for_update().get(name=KILL)


class Killed(Exception):
    """The kill switch is on: nothing new is done."""


def refuse_when_killed() -> None:
    """In the transaction of an effect, its run locked: a round may have looked before. Raises Killed."""
    if lock_switch().on:
        raise Killed("the kill switch is on")


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
    recent = _acted(Run.objects.filter(tier=tier.name, mitigated_at__gte=now - policy.actions_window))
    mine = watched.runs(subject)
    ended = mine.exclude(state__in=("SUPPRESSED", "NOT_CONFIRMED")).exclude(ended_at=None)
    scope = watched.definition.scope
    about: dict[str, str] = {scope: subject} if scope in ("route", "upstream") else {}
    live = proxy.selectors.live_overlays(tier.name, now=now)
    return Facts(
        mode=selectors.mode(runbook=watched.slug, tier=tier),
        killed=killed,
        silenced=alerts.selectors.silenced(tier=tier.name, now=now, **about),
        parent=parent(tier, watched, subject, about, now=now),
        last_ended_at=ended.order_by("-ended_at").values_list("ended_at", flat=True).first(),
        acted_recently=mine.filter(mitigated_at__gte=now - policy.flap_window).count(),
        actions=recent.filter(runbook=watched.slug).count(),
        actions_in_all=recent.count(),
        routes_touched=len(routes_touched([*patches, *_of_runs(live)], splits_of(tier))),
        routes=len(tier.routes),
        approvals=0,
        held_by=_held_by(tier.name, [target_of(patch) for patch in patches], now),
        left_out=left_out([*patches, *(row.patch for row in live)], tier, share=policy.left_out),
    )


def _acted(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Those of the runs that changed something: who only asks or tells spends nobody's budget."""
    did = Exists(Act.objects.filter(run=OuterRef("pk")).exclude(kind__in=SAYING))
    return runs.exclude(Q(plan__patches=[]) & ~Q(did))


def _held_by(tier: str, targets: Sequence[str], now: datetime) -> str:
    """Who else holds a lease on one of them. A run has none before it is decided."""
    held = {
        row.name: row for row in proxy.selectors.targets(tier) if row.leased_until and row.leased_until > now
    }
    return next((held[target].owner for target in sorted(targets) if target in held), "")


def _of_runs(live: Iterable[OverlayRow]) -> list[dict[str, Any]]:
    """What runs hold. A rollout's weights are no mitigation."""
    return [overlay.patch for overlay in live if overlay.owner.startswith("run/")]
