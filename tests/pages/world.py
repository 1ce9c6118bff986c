"""A tier with something to see on every page, made by the services that make it in earnest."""

from datetime import datetime, timedelta

import alerts.services
import canary.services
import proxy.services
import slo.services
from alerts.models import Heartbeat
from audit.domain.actor import automation
from canary.domain import family
from canary.domain.judge import Tick, e_value, weigh
from canary.domain.odds import Cell
from canary.domain.plan import read
from canary.models import Observation, Rollout
from runbooks import texts
from runbooks.domain.definition import as_text
from runbooks.models import Run, Step
from slo.domain.corrections import Scope
from slo.domain.maintenance import Window
from slo.domain.spans import Span
from slo.models import Budget, DailyCount, HourlyCount, Objective
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
        proxy.services.record_connection(tier="edge", proxies=[name], now=now)
        proxy.services.record_ack(tier="edge", proxies=[name], generation=1, now=now)


def budgets(now: datetime) -> int:
    """The objectives, and what the last tick said of them."""
    slo.services.sync_all(now=now)
    for place, objective in enumerate(Objective.objects.all()):
        Budget.objects.create(
            objective=objective,
            state="ok",
            since=now,
            looked_at=now,
            data_at=now,
            total=250_000.0,
            bad_proxy=12.0,
            bad_backend=40.0 * place,
            left=0.93 - 0.4 * place,
            coverage=0.4,
            burn_1h=1.7,
            windows=[{"window": span, "burn": burn} for span, burn in BURNS.items()],
            tiers=TOLD,
        )
    _history(now)
    return Objective.objects.earliest("pk").pk


def _history(now: datetime) -> None:
    """Twelve days and the last 24 hours of each: a bad afternoon nine days ago, and a leak since yesterday."""
    hour, day = now.replace(minute=0, second=0, microsecond=0), timedelta(days=1)
    for objective in Objective.objects.all():
        allowed = 1 - float(objective.target)
        DailyCount.objects.bulk_create(
            DailyCount(
                objective=objective,
                day=(now - back * day).date(),
                events=3e6,
                bad_proxy=3e6 * allowed * (8 if back == 9 else 0.2),
                bad_backend=3e6 * allowed * 0.1,
                covered=86_400,
            )
            for back in range(1, 13)
        )
        HourlyCount.objects.bulk_create(
            HourlyCount(
                objective=objective,
                hour=hour - timedelta(hours=back),
                events=125_000,
                bad_proxy=125_000 * allowed * (3 if back < 8 else 0.2),
                covered=3600,
            )
            for back in range(20)
        )


BURNS = {"5m": 0.4, "1h": 1.7, "6h": 1.2, "3d": 0.3}
TOLD = [
    {
        "name": name,
        "severity": severity,
        "long": long,
        "short": short,
        "factor": factor,
        "threshold": factor * 0.001,
        "spends": spends,
        "outage_after_s": 3.6 * factor,
        "over_after_s": 60.0,
        "long_burn": BURNS.get(long),
        "short_burn": BURNS.get(short),
        "verdict": "clear",
        "why": "",
    }
    for name, severity, long, short, factor, spends in (
        ("page-fast", "page", "1h", "5m", 14.4, 0.02),
        ("page-slow", "page", "6h", "30m", 6.0, 0.05),
        ("ticket-fast", "ticket", "1d", "2h", 3.0, 0.1),
        ("ticket-slow", "ticket", "3d", "6h", 1.0, 0.1),
    )
]
STATES = ("ok", "burning", "spent", "no_data")


def routes(now: datetime, number: int) -> None:
    """The tier edge with so many routes, each with an objective of its own, and what a tick said of each."""
    many = [{"name": f"r{n:04}", "hosts": [f"r{n}.test"], "upstream": "payments"} for n in range(number)]
    promised = [
        {
            "name": f"{route['name']}-availability",
            "kind": "route_availability",
            "target": 99.9,
            "route": route["name"],
            "owner": f"team {place % 7}",
        }
        for place, route in enumerate(many)
    ]
    declared = document(objectives=OBJECTIVES[:2] + promised)
    declared["tiers"][0]["routes"] += many
    proxy.services.apply(document=declared, by=BY, reason="many", now=now, gate=lambda tier: [])
    slo.services.sync_all(now=now)
    Budget.objects.bulk_create(
        Budget(
            objective=objective,
            state=STATES[place % 4],
            since=now,
            looked_at=now,
            data_at=now,
            total=250_000.0 if place % 4 < 3 else None,
            bad_proxy=12.0,
            bad_backend=float(place),
            left=1 - place / 500 if place % 4 < 3 else None,
            coverage=0.9,
            burn_1h=place / 100 if place % 4 < 3 else None,
            windows=[{"window": "5m", "burn": 0.4}, {"window": "1h", "burn": place / 100}],
        )
        for place, objective in enumerate(Objective.objects.filter(budget=None).order_by("name"))
    )


def left_out(now: datetime) -> None:
    """What budgets leave out: a load test, and a window that repeats and is on."""
    services, on = slo.services, now.replace(second=0, microsecond=0)
    services.correct(
        scope=Scope("edge", "shop"),
        span=Span(on - timedelta(hours=3), on - timedelta(hours=2)),
        by=BY,
        reason="a load test that was announced to everybody who calls the shop",
        now=now,
    )
    services.maintain(
        scope=Scope("edge", objective="added-latency"),
        window=Window(on, timedelta(hours=1), "FREQ=DAILY"),
        by=BY,
        reason="snapshots slow the disks",
        now=now,
    )


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
        subject="shop",
        state="AWAITING_APPROVAL",
        version=2,
        incident_id=incident_id,
        why="0.62 retries per first attempt on shop, 0.2 is the limit",
        definition=as_text(texts.automated()["retry-storm"]),
        policy={},
        plan={
            "patches": [{"kind": "retry_off", "route": "shop"}],
            "targets": ["route/shop/retry"],
            "changes": ["~ routes shop: virtual_hosts[0].routes[0].route.retry_policy.num_retries: 2 -> 0"],
            "summary": "Switch retries off on shop",
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


def rollout(now: datetime, *, ticks: int = 60, failing_from: int = 48) -> int:
    """A canary at 5 %, judged for a minute: it began to fail some seconds ago."""
    number = canary.services.start(
        route="shop",
        upstream="shop-v2",
        reason="try the new pricing",
        by=BY,
        now=now - timedelta(seconds=ticks),
    )
    observe(number, now, ticks=ticks, failing_from=failing_from)
    return number


def release(now: datetime) -> int:
    """One of two waves, whose first has begun."""
    waves = [
        {"name": "first", "rollouts": [{"route": "edge/payments", "upstream": "shop-v2"}]},
        {"name": "rest", "rollouts": [{"route": "edge/shop", "upstream": "shop-v2"}]},
    ]
    declared = {"key": "shop-v2-build-7", "on_failure": "keep", "waves": waves}
    number = canary.services.release(document={"release": declared}, by=BY, now=now)
    canary.services.tick_releases(now=now)
    return number


def observe(number: int, now: datetime, *, ticks: int, failing_from: int = 48) -> None:
    """What the judge saw of a rollout up to now, a tick a second."""
    row, plan = Rollout.objects.get(pk=number), read(None)
    weighed = family.empty()
    for second in range(ticks):
        at = (now - timedelta(seconds=ticks - second)).timestamp()
        failed = second % 2 if second >= failing_from else 0
        cell = Cell(n_c=2, e_c=failed, n_k=38, e_k=int(second % 20 == 0))
        tick: family.FamilyTick = {
            "first_attempt": Tick(at, {"edge-1": cell, "edge-2": cell}),
            "final": Tick(at, {"edge-1": Cell(2, 0, 38, 0), "edge-2": cell}),
        }
        weighed = family.observe(weighed, tick, plan.limits())
        Observation.objects.create(rollout=row, at=at, weight=500, figures=_figures(tick, weighed))
    Rollout.objects.filter(pk=number).update(evidence={"family": family.dump(weighed)})


def _figures(tick: family.FamilyTick, weighed: family.Family) -> dict[str, object]:
    figures: dict[str, object] = {}
    for metric, evidence in weighed.items():
        reading = weigh(evidence, family.limits_of(read(None).limits(), metric))
        figures[metric] = {
            "canary": tick[metric].canary(),
            "control": tick[metric].control(),
            "e_fail": e_value(reading.log_fail),
            "e_pass": e_value(reading.log_pass),
            "odds": reading.odds,
            "low": reading.low,
            "high": reading.high,
            "phi": reading.phi,
        }
    return figures
