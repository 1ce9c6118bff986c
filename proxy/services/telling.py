"""Telling people that a tier's newest revision is not understood: nothing newer reaches its proxies."""

from datetime import datetime

import alerts.services
from audit.domain.actor import automation
from proxy import bases, selectors
from proxy.bases import Base

RULE = "BaseNotUnderstood"
RUNBOOK = "revision-not-understood"
BY = automation("proxy")


def tell_bases(*, now: datetime) -> None:
    """Open an alert for each tier whose newest revision is not understood, and end it where it is again."""
    for tier in selectors.tiers():
        found = bases.base(tier.name)
        if found.unread:
            _tell(tier.name, found, now)
        else:
            why = f"revision {found.newest} is understood"
            alerts.services.clear(rule=RULE, labels={"tier": tier.name}, why=why, by=BY, now=now)


def _tell(tier: str, found: Base, now: datetime) -> None:
    path, why = found.unread[0]
    alerts.services.signal(
        rule=RULE,
        labels={"tier": tier},
        severity="page" if found.behind else "ticket",
        originator="proxy",
        summary=f"Tier {tier}: revision {found.newest} is not understood by this Sluice",
        numbers={"first of it": f"{path}: {why}"[:300], "in all": str(len(found.unread))},
        action=found.troubles[0],
        runbook=RUNBOOK,
        cause="automation",
        by=BY,
        now=now,
    )
