"""The overview: in ten seconds, is it us or a backend, and is a machine already acting?"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from alerts import selectors as alerts
from alerts.rows import IncidentRow
from canary import selectors as canary
from canary.selectors import RolloutRow
from dashboard import reading
from dashboard.domain.figures import age, weight
from dashboard.domain.sentence import RouteFacts, Sentence, TierFacts, sentence
from dashboard.reading import Reading
from dashboard.views.tiers import threshold_ms
from proxy import observed
from proxy import selectors as proxy
from proxy.domain.tier import Route, Tier
from proxy.selectors import OverlayRow, TierRow
from runbooks import selectors as runbooks
from runbooks.selectors import RunRow
from slo import listing as slo
from slo.listing import Standing
from telemetry.domain.indicators import RouteTrouble

MICROSECONDS_PER_MS = 1000
LATELY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Panel:
    """What the overview shows of one tier."""

    tier: TierRow
    reading: Reading
    sentence: Sentence
    threshold_ms: float | None
    objectives: Standing


@dataclass(frozen=True, slots=True)
class Acting:
    """What the machine has under way."""

    rollouts: list[RolloutRow]
    runs: list[RunRow]
    overlays: list[OverlayRow]
    ended: list[RolloutRow]

    @property
    def strays(self) -> list[OverlayRow]:
        """Overlays that no live rollout or open run stands for, such as one that is being taken back."""
        owners = {f"rollout/{row.id}" for row in self.rollouts} | {f"run/{row.id}" for row in self.runs}
        return [row for row in self.overlays if row.owner not in owners]

    def on(self, tier: str) -> "Acting":
        return Acting(
            [row for row in self.rollouts if row.tier == tier],
            [row for row in self.runs if row.tier == tier],
            [row for row in self.overlays if row.tier == tier],
            [row for row in self.ended if row.tier == tier],
        )


@requires(Role.VIEWER)
@require_safe
def overview(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """One sentence per tier, then what it rests on."""
    now = timezone.now()
    acting = Acting(
        rollouts=canary.rollouts(live=True),
        runs=runbooks.runs(open_only=True),
        overlays=proxy.live_overlays(now=now),
        ended=canary.rollouts(live=False, limit=5),
    )
    beats = alerts.heartbeats(now=now)
    incidents = alerts.open_incidents()
    standings = slo.standings()
    context = {
        "now": now,
        "panels": [
            _panel(row, acting.on(row.name), incidents, standings.get(row.name, Standing()), now)
            for row in proxy.tiers()
        ],
        "observed": observed.summaries(),
        "acting": acting,
        "incidents": incidents,
        "beats": beats,
        "late": [beat for beat in beats if beat.late],
        "outbox": alerts.outbox_state(),
        "switch": runbooks.kill_switch(),
        "lab": bool(settings.LAB_URL),
    }
    return render(request, f"dashboard/overview.html{fragment}", context)


def _panel(
    row: TierRow, acting: Acting, incidents: list[IncidentRow], objectives: Standing, now: datetime
) -> Panel:
    seen = reading.shared_troubles(tier=row.name, now=now)
    served = proxy.served(row.name, now=now)
    limit = threshold_ms(served.base)
    return Panel(
        tier=row,
        reading=seen,
        sentence=sentence(
            replace(
                _facts(row, served.live, seen, limit, acting, now),
                paging=[
                    f"incident {each.id}"
                    for each in incidents
                    if each.tier == row.name and each.severity == "page"
                ],
                burning=objectives.burning,
            )
        ),
        threshold_ms=limit,
        objectives=objectives,
    )


def _facts(
    row: TierRow, live: Tier, seen: Reading, limit: float | None, acting: Acting, now: datetime
) -> TierFacts:
    added = seen.tier.added_p99.value if seen.tier else None
    return TierFacts(
        tier=row.name,
        proxies=len(row.proxies),
        connected=sum(proxy.connected for proxy in row.proxies),
        age=seen.tier.age if seen.tier else None,
        unreachable=seen.trouble,
        added_p99_ms=None if added is None else added / MICROSECONDS_PER_MS,
        threshold_ms=limit,
        routes=[_route_facts(each, live.route(name)) for name, each in seen.troubles.items()],
        acting=_acting(acting, now),
        waiting=_waiting(acting),
    )


def _route_facts(seen: RouteTrouble, declared: Route | None) -> RouteFacts:
    split = declared.split if declared else {}
    return RouteFacts(
        route=seen.route,
        proxy_ratio=seen.proxy_ratio,
        backend_ratio=seen.backend_ratio,
        first_attempts=seen.first_attempts,
        reasons={name: rate for name, rate in seen.reasons.items() if name != "backend"},
        idle=frozenset(arm for arm, weight in split.items() if weight == 0),
    )


def _acting(acting: Acting, now: datetime) -> list[str]:
    rollouts = [
        f"rollout {row.id} of {row.upstream} on {row.route} is {row.state.replace('_', ' ')}"
        f" at {weight(row.weight)}"
        for row in acting.rollouts
    ]
    runs = [
        f"runbook {row.runbook} is {row.state.lower().replace('_', ' ')} on {row.route}"
        for row in acting.runs
        if row.acting
    ]
    done = [
        f"rollout {row.id} was {row.state.replace('_', ' ')} {age(row.finished_at, now=now)}"
        for row in acting.ended
        if row.finished_at and now - row.finished_at < LATELY
    ]
    return rollouts + runs + done


def _waiting(acting: Acting) -> list[str]:
    rollouts = [
        f"rollout {row.id} waits for the next step"
        for row in acting.rollouts
        if row.state in ("awaiting_approval", "needs_human")
    ]
    runs = [
        f"run {row.id} waits for approval"
        for row in acting.runs
        if row.state in ("AWAITING_APPROVAL", "NEEDS_HUMAN")
    ]
    return rollouts + runs
