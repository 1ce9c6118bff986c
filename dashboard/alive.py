"""The dead man's switch: whether the automation is alive, and the ping that stops when it is not.

The ping is sent by a worker, at the beat's tick: when those are dead there is none, whatever is checked here.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from django.conf import settings

import alerts.receivers
import alerts.selectors
import alerts.services
import proxy.selectors
from audit.domain.actor import automation
from dashboard.domain import alive
from dashboard.domain.alive import Beat, Check, Facts
from outbound.errors import NotSent, Unanswered
from outbound.posting import Outbound
from telemetry.domain.errors import MetricsError
from telemetry.patience import patient, remembered
from telemetry.ports import Metrics

PING_EVERY = timedelta(minutes=1)
# A tick is never exactly on time: a little less, so that none is left out.
SOON = timedelta(seconds=5)
RULE = "automation-alive"
RUNBOOK = "automation-alive"
SETTLES = timedelta(minutes=1)
BY = automation("alive")

log = logging.getLogger(__name__)


def checks(*, metrics: Metrics, now: datetime) -> list[Check]:
    """How each condition stands now. One PromQL query, whatever the number of tiers."""
    beats = alerts.selectors.heartbeats(now=now)
    scraped, trouble = _scraped(metrics, now)
    facts = Facts(
        beats=[Beat(beat.name, beat.age, beat.every) for beat in beats],
        tiers=[row.name for row in proxy.selectors.tiers() if any(each.connected for each in row.proxies)],
        scraped=scraped,
        waiting_since=alerts.selectors.outbox_state().oldest_pending,
        trouble=trouble,
        receivers=alerts.receivers.declared().problem,
    )
    return alive.checks(facts, now=now)


def shared(now: datetime) -> list[Check]:
    """`checks` for pages: once in two seconds a process."""
    return remembered("alive", lambda: checks(metrics=patient(), now=now))


def tick(*, metrics: Metrics, post: Outbound, now: datetime) -> bool:
    """Look, tell of what does not hold for a while, and ping when everything does. True when all is well."""
    found = checks(metrics=metrics, now=now)
    for check in found:
        _observe(check, now)
    if alive.alive(found):
        _ping(post, now)
        return True
    return False


def ping_host() -> str:
    """Where pings go, without the path, which is the secret of such addresses; empty for nowhere."""
    return str(urlsplit(settings.PING_URL).netloc)


def _scraped(metrics: Metrics, now: datetime) -> tuple[Mapping[str, datetime] | None, str]:
    try:
        found = metrics.vector(alive.SCRAPED, at=now)
    except MetricsError as error:
        return None, error.message
    return {each.labels["tier"]: datetime.fromtimestamp(each.value, tz=UTC) for each in found}, ""


def _observe(check: Check, now: datetime) -> None:
    """An incident of its own, once it has lasted: whatever still goes out tells people why it is quiet."""
    alerts.services.observe(
        seen="good" if check.holds else "bad",
        pending_for=SETTLES,
        keep_for=SETTLES,
        why=check.says,
        rule=RULE,
        labels={"part": check.name},
        severity="page",
        originator="unknown",
        summary=f"The automation is not whole: {check.says}",
        numbers={"must hold": check.limit},
        action="Nothing is decided on what is not known; overlays end by themselves, reverts go on.",
        runbook=RUNBOOK,
        cause="automation",
        links=[("The automation", "/automation/")],
        by=BY,
        now=now,
    )


def _ping(post: Outbound, now: datetime) -> None:
    """At most once a minute. A ping that fails is tried again at the next tick."""
    last = alerts.selectors.last_ping()
    if not settings.PING_URL or (last is not None and now - last < PING_EVERY - SOON):
        return
    try:
        reply = post.allowing(settings.PING_URL).send(settings.PING_URL, b"", {"User-Agent": "sluice"})
    except (NotSent, Unanswered) as error:
        log.warning("the ping was not taken: %s", error)
        return
    if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        alerts.services.beat(name=alerts.selectors.PING, now=now, every=PING_EVERY)
    else:
        log.warning("the ping was not taken: HTTP %s", reply.status)
