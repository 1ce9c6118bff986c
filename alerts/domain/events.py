"""What services are told of an incident: a webhook of one's own, and PagerDuty's Events API v2.

https://developer.pagerduty.com/docs/events-api-v2-overview: `dedup_key` ties the three actions together, a
trigger with a known one is no second incident; at most 1,024 characters of summary, 255 of the key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

Did = Literal["trigger", "acknowledge", "resolve"]
LONGEST_SUMMARY = 1024
# PagerDuty knows four; a page of ours wakes people.
SEVERITIES = {"page": "critical", "ticket": "warning"}


@dataclass(frozen=True, slots=True)
class Subject:
    """An incident as it is told outside. `originator` is in words; `page` counts how often it called."""

    id: int
    page: int
    title: str
    tier: str
    route: str
    upstream: str
    target: str
    cause: str
    severity: str
    state: str
    originator: str
    action: str
    url: str
    runbook: str
    opened_at: datetime
    by: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)


def webhook(subject: Subject, did: Did, *, key: str, at: datetime) -> dict[str, Any]:
    """The body of a webhook: what happened to which incident, and how it stands."""
    return {
        "event": f"incident.{did}",
        "key": key,
        "at": at.isoformat(),
        "incident": {
            "id": subject.id,
            "page": subject.page,
            "title": subject.title,
            "tier": subject.tier,
            "route": subject.route,
            "upstream": subject.upstream,
            "target": subject.target,
            "cause": subject.cause,
            "severity": subject.severity,
            "state": subject.state,
            "originator": subject.originator,
            "numbers": dict(subject.numbers),
            "action": subject.action,
            "opened_at": subject.opened_at.isoformat(),
            "by": subject.by,
            "url": subject.url,
            "runbook": subject.runbook,
        },
    }


def pagerduty(subject: Subject, did: Did, *, at: datetime) -> dict[str, Any]:
    """An event of the API v2 but for its `routing_key`, which is a secret and put in when it is sent."""
    event: dict[str, Any] = {"event_action": did, "dedup_key": dedup_key(subject)}
    if did != "trigger":
        return event
    links = [{"href": subject.url, "text": f"Incident {subject.id}"}]
    links += [{"href": subject.runbook, "text": "Runbook"}] if subject.runbook else []
    return {
        **event,
        "client": "Sluice",
        "client_url": subject.url,
        "links": links,
        "payload": {
            "summary": subject.title[:LONGEST_SUMMARY],
            "source": subject.target,
            "severity": SEVERITIES[subject.severity],
            "timestamp": at.isoformat(),
            "component": subject.originator,
            "group": subject.tier,
            "class": subject.cause,
            "custom_details": {**subject.numbers, "what the machine did": subject.action or "nothing"},
        },
    }


def dedup_key(subject: Subject) -> str:
    """One for each time that the incident calls: two installations may use one integration."""
    return f"{urlsplit(subject.url).netloc}/incidents/{subject.id}/{subject.page}"[:255]
