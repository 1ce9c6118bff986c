"""What upstreams serve and were seen to take: read from Prometheus, kept in rows for whoever decides."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

import proxy.selectors
from canary import room
from canary.domain.plan import Plan
from canary.models import Load, Rollout
from canary.services import telling
from proxy.domain.errors import ProxyError
from proxy.domain.tier import Tier
from telemetry import loads
from telemetry.domain.capacity import Shown
from telemetry.domain.errors import MetricsError
from telemetry.ports import Metrics

KEPT = timedelta(days=1)
_PRESENT = ("at", "healthy", "attempts", "firsts")


def measure(*, metrics: Metrics, now: datetime) -> int:
    """Keep every upstream's present load, and say of each live rollout whether its arms could take it back.

    Returns how many upstreams were measured. Without an answer nothing changes: figures that are old are
    known by their age.
    """
    try:
        found = loads.present(metrics, at=now)
    except MetricsError:
        return 0
    rows = [
        Load(
            tier=tier,
            upstream=name,
            at=now,
            healthy=one.healthy,
            attempts=one.attempts,
            firsts=one.firsts,
        )
        for (tier, name), one in found.items()
    ]
    Load.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["tier", "upstream"], update_fields=_PRESENT
    )
    _say_shortages(now)
    return len(rows)


def measure_capacity(*, metrics: Metrics, now: datetime) -> int:
    """Keep the highest rate that an endpoint of each upstream took while it was well; returns how many."""
    try:
        found = loads.shown(metrics, at=now)
    except MetricsError:
        return 0
    known = [row for row in Load.objects.all() if (row.tier, row.upstream) in found]
    for row in known:
        _show(row, found[row.tier, row.upstream])
    Load.objects.bulk_update(known, ["shown_rps", "shown_at", "shown_by_latency"], batch_size=500)
    Load.objects.filter(at__lt=now - KEPT).delete()
    return len(known)


def _show(row: Load, shown: Shown) -> None:
    row.shown_rps, row.shown_at, row.shown_by_latency = shown.rps, shown.at, shown.by_latency


def _say_shortages(now: datetime) -> None:
    """A constant number of reads and writes for each tier with live rollouts, none for one without."""
    by_tier: dict[str, list[Rollout]] = defaultdict(list)
    for rollout in Rollout.objects.live().defer("evidence"):
        by_tier[rollout.tier].append(rollout)
    for tier, rollouts in by_tier.items():
        _say_of_tier(tier, rollouts, now)


def _say_of_tier(tier: str, rollouts: list[Rollout], now: datetime) -> None:
    try:
        declared = proxy.selectors.desired(tier, now=now)
    except ProxyError:
        return
    rows = {row.upstream: row for row in Load.objects.filter(tier=tier, at__gt=now - room.FRESH)}
    changed: list[Rollout] = []
    short: list[tuple[Rollout, str]] = []
    for rollout in rollouts:
        found = _room(declared, rollout, rows)
        if found.shortage and rollout.state != "rolling_back":
            short.append((rollout, found.shortage))
        if found.told != rollout.reserve:
            rollout.reserve = found.told
            changed.append(rollout)
    telling.short(short, now=now)
    Rollout.objects.bulk_update(changed, ["reserve"], batch_size=500)


def _room(declared: Tier, rollout: Rollout, rows: Mapping[str, Load]) -> room.Room:
    plan = Plan.model_validate(rollout.plan)
    names = room.serving(rollout.base, rollout.upstream, plan)
    return room.reckoned(
        declared,
        rollout.route_name,
        base=rollout.base,
        canary=rollout.upstream,
        plan=plan,
        loads={name: rows[name] for name in names if name in rows},
    )
