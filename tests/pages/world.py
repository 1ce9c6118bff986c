"""A tier with something to see on every page, made by the services that make it in earnest."""

from datetime import datetime, timedelta

import alerts.services
import proxy.services
from alerts.models import Heartbeat
from audit.domain.actor import automation
from runbooks.models import Run, Step
from tests.proxy.factories import document
from tests.support.people import BY

OBJECTIVES = [
    {"name": "proxy-availability", "kind": "proxy_availability", "target": 99.95},
    {"name": "added-latency", "kind": "added_latency", "target": 99, "threshold_ms": 3},
    {"name": "shop-availability", "kind": "route_availability", "target": 99.9, "route": "shop"},
]


def tier(now: datetime) -> None:
    """The tier edge, declared, connected and acknowledged."""
    proxy.services.apply(
        document=document(objectives=OBJECTIVES),
        by=BY,
        reason="first declaration",
        now=now,
        gate=lambda tier: [],
    )
    for name in ("edge-1", "edge-2"):
        proxy.services.record_connection(tier="edge", proxy=name, now=now)
        proxy.services.record_ack(tier="edge", proxy=name, generation=1, now=now)


def heartbeats(now: datetime) -> None:
    for name in ("alerts", "canary", "runbooks", "slo"):
        Heartbeat.objects.update_or_create(name=name, defaults={"at": now, "every": timedelta(seconds=3)})


def incident(now: datetime) -> int:
    """A canary that was rolled back."""
    return alerts.services.signal(
        rule="canary",
        labels={"tier": "edge", "route": "shop", "upstream": "shop-v2"},
        severity="page",
        originator="backend",
        summary="Canary shop-v2 on shop was rolled back: it fails 29.8 % of first attempts, the control 0.1 %",
        numbers={"Canary": "61 of 205 failed", "Control": "4 of 3,911 failed", "e-value": "1.2e+09"},
        action="Set shop-v2 to 0 % on both proxies; verified by their acknowledgement and by reading them back.",
        runbook="canary-rolled-back",
        cause="canary",
        by=automation("judge"),
        now=now,
    )


def run(now: datetime, incident_id: int | None = None) -> int:
    """A retry storm that waits for approval."""
    row = Run.objects.create(
        runbook="retry-storm",
        tier="edge",
        route="shop",
        state="AWAITING_APPROVAL",
        incident_id=incident_id,
        why="0.62 retries per first attempt on shop, 0.2 is the limit",
        policy={},
        plan={
            "patches": [{"kind": "retry_off", "route": "shop"}],
            "targets": ["route/shop/retry"],
            "changes": ["~ routes shop: virtual_hosts[0].routes[0].route.retry_policy.num_retries: 2 -> 0"],
            "undo": "the overlay is deleted, and the base with 2 retries is back",
            "routes": ["shop"],
            "proxies": ["edge-1", "edge-2"],
            "expires_after_seconds": 690.0,
        },
        plan_hash="3f6c0d5f9a",
        started_at=now,
        entered_at=now,
    )
    Step.objects.create(
        run=row, version=1, at=now, event="propose", state="PROPOSED", actor="retry-storm", why=row.why
    )
    Step.objects.create(
        run=row,
        version=2,
        at=now,
        event="ask",
        state="AWAITING_APPROVAL",
        actor="retry-storm",
        why="mode approve: a person decides",
        evidence={"share": 0.62},
    )
    return row.pk
