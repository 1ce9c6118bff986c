"""Tells of added latency that creeps up."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain

from django.urls import reverse

import alerts.selectors
import alerts.services
from audit.domain.actor import Actor
from proxy import selectors as proxy_selectors
from slo.domain import creep, wording
from slo.domain.corrections import Scope
from slo.domain.spans import Span
from slo.exclusions import maintenance
from slo.services.names import BY, CREEP_RULE
from telemetry.domain.errors import MetricsError
from telemetry.ports import Metrics

RUNBOOK = "latency-creep"
MOMENT = timedelta(seconds=1)
ACTION = "No automation acts on this: a person has to."


def watch_creep(*, metrics: Metrics, now: datetime, by: Actor = BY) -> int:
    """Compare each tier's added latency with what is usual at this hour. Returns how many creep.

    Three queries, whatever the number of tiers. Without an answer, or enough to compare, alerts stay as they
    are; that of a tier that is no longer served ends. While a tier as a whole is in maintenance, nobody is
    told of it anew; what was told before goes on.
    """
    try:
        pasts = creep.read(
            now=metrics.vector(creep.QUERIES.now, at=now),
            requests=metrics.vector(creep.QUERIES.requests, at=now),
            before=metrics.vector(creep.QUERIES.before, at=now),
        )
    except MetricsError:
        return 0
    served = {row.name for row in proxy_selectors.tiers()}
    found = [creep.judge(tier, past) for tier, past in sorted(pasts.items()) if tier in served]
    creeping = [each for each in found if each.verdict == "creeps"]
    told = _told_of()
    quiet = _in_maintenance(now) - told
    for each in creeping:
        if each.tier not in quiet:
            _signal(each, by=by, now=now)
    calm = (each.tier for each in found if each.verdict == "clear")
    for tier, why in chain(
        ((tier, "added latency is near what is usual at this hour again") for tier in calm),
        ((tier, "the tier is no longer served") for tier in sorted(told - served)),
    ):
        alerts.services.clear(rule=CREEP_RULE, labels={"tier": tier}, why=why, by=by, now=now)
    return len(creeping)


def _in_maintenance(now: datetime) -> set[str]:
    """The tiers that are in maintenance as a whole: a route's is not what a tier's latency is of."""
    found = maintenance(Span(now, now + MOMENT))
    return {each.scope.tier for each in found if each.scope == Scope(each.scope.tier)}


def _told_of() -> set[str]:
    firing = alerts.selectors.alerts(state="FIRING")
    return {row.labels["tier"] for row in firing if row.rule == CREEP_RULE}


def _signal(found: creep.Creep, *, by: Actor, now: datetime) -> None:
    hour, hours = found.windows
    more = wording.percent(Decimal(round(100 * (hour.now / hour.usual - 1))) / 100)
    numbers = {
        "p99 of the last hour": _against(hour, found.against),
        "p99 of six hours, their median": _against(hours, found.against),
        "told above": f"{_ms(hour.bound)} and {_ms(hours.bound)}",
    }
    alerts.services.signal(
        rule=CREEP_RULE,
        labels={"tier": found.tier},
        severity="ticket",
        originator="proxy",
        summary=f"{found.tier} adds {more} more latency than is usual at this hour: {_ms(hour.now)} at p99",
        numbers=numbers,
        action=ACTION,
        runbook=RUNBOOK,
        cause="creep",
        links=[(f"Tier {found.tier}", reverse("tier", args=[found.tier]))],
        by=by,
        now=now,
    )


def _against(window: creep.Usual, against: str) -> str:
    return f"{_ms(window.now)}; {_ms(window.usual)} is usual ({against}, {window.days} days)"


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1000:.2f} ms"
