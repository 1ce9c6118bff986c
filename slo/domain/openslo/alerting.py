"""Sluice's alert tiers as OpenSLO: one policy, with its condition, for each tier and period in use.

OpenSLO's condition has one window: the long one. The short one, which ends an alert soon, is an annotation.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from slo.domain.openslo.vocabulary import SHORT_WINDOW, new
from slo.domain.windows import TIERS, AlertTier, Severity
from telemetry.domain.promql import duration

Document = dict[str, Any]
_PERIOD = re.compile(r"-(\d{1,3})d\Z")
TARGET = "sluice"


def telling(severity: Severity) -> tuple[AlertTier, ...]:
    """The alert tiers that tell of an objective: one that pages has tickets too."""
    return tuple(tier for tier in TIERS if severity == "page" or tier.severity == "ticket")


def name(tier: AlertTier, period: timedelta) -> str:
    """Factors follow from the period, so that it is in the name: `page-fast-30d`."""
    return f"{tier.name}-{period.days}d"


def condition(tier: AlertTier, period: timedelta) -> Document:
    long, short, factor = duration(tier.long), duration(tier.short), float(tier.factor(period))
    spec = {
        "description": f"{long} and {short} both burn faster than {factor:.4g}x:"
        f" {float(100 * tier.share):g} % of the budget of {period.days} d is gone by then.",
        "severity": tier.severity,
        "condition": {"kind": "burnrate", "op": "gt", "threshold": factor, "lookbackWindow": long},
    }
    return new("AlertCondition", name(tier, period), spec, annotations={SHORT_WINDOW: short})


def policy(tier: AlertTier, period: timedelta) -> Document:
    spec = {
        "alertWhenNoData": False,
        "alertWhenResolved": True,
        "alertWhenBreaching": True,
        "conditions": [{"conditionRef": name(tier, period)}],
        "notificationTargets": [{"targetRef": TARGET}],
    }
    return new("AlertPolicy", name(tier, period), spec)


def target() -> Document:
    spec = {"target": TARGET, "description": "An incident in Sluice, which tells whom its settings name."}
    return new("AlertNotificationTarget", TARGET, spec)


def own(document: Mapping[Any, Any]) -> bool:
    """Whether it is to the letter what Sluice writes, so that nothing of it is lost."""
    return document == target() or any(
        document == made(tier, period)
        for period in _periods(document)
        for tier in TIERS
        for made in (condition, policy)
    )


def _periods(document: Mapping[Any, Any]) -> Iterator[timedelta]:
    metadata = document.get("metadata")
    found = _PERIOD.search(str(metadata.get("name"))) if isinstance(metadata, dict) else None
    if found and int(found[1]):
        yield timedelta(days=int(found[1]))


def alike(threshold: float, window: timedelta, period: timedelta) -> AlertTier | None:
    """The tier that has this burn factor over this window, long or short."""
    for tier in TIERS:
        if window in (tier.long, tier.short) and float(tier.factor(period)) == threshold:
            return tier
    return None


def words(severity: Severity, period: timedelta) -> str:
    """What Sluice alerts by: `14.4x over 1h and 5m, ...`."""
    return ", ".join(
        f"{float(tier.factor(period)):.4g}x over {duration(tier.long)} and {duration(tier.short)}"
        for tier in telling(severity)
        if tier.severity == severity
    )
