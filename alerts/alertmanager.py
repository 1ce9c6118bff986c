"""What Alertmanager says, taken over alert by alert: doubled and late deliveries change nothing.

An alert's labels and when it began name one episode of it. What was told to have ended does not fire again in
the same episode, however late its first notification comes; an end of an earlier episode ends no later one.
Everybody locks an alert's episode before its incident.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from alerts import signalling
from alerts.domain import alertmanager
from alerts.domain.alertmanager import AlertIn, Notification
from alerts.domain.signal import Signal
from alerts.models import Alert, Episode
from audit.domain.actor import Actor

# What one POST may hold: each alert is a transaction of some milliseconds.
MOST = 500
# No notification is as late as that.
FORGOTTEN_AFTER = timedelta(days=30)
Came = Literal["fired", "repeated", "resolved", "late", "ignored"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a notification's alerts; `left_out` is what was too much, or cut by Alertmanager."""

    fired: int = 0
    repeated: int = 0
    resolved: int = 0
    late: int = 0
    ignored: int = 0
    left_out: int = 0


def receive(*, notification: Notification, by: Actor, now: datetime) -> Taken:
    """Take a notification over. Each alert is a transaction: what fails half-way is sent again as a whole."""
    wanted = alertmanager.urgent_first(notification.alerts)
    counted: Counter[str] = Counter(_take(each, by=by, now=now) for each in wanted[:MOST])
    Episode.objects.filter(ended_at__lt=now - FORGOTTEN_AFTER).delete()
    left_out = len(wanted[MOST:]) + notification.truncated
    if left_out:
        log.warning("%s alerts of Alertmanager were left out: set max_alerts and group_by", left_out)
    return Taken(**counted, left_out=left_out)


def _take(alert: AlertIn, *, by: Actor, now: datetime) -> Came:
    if not alert.trouble:
        return "ignored"
    what = _within_its_tier(alertmanager.signal(alert, base_url=settings.BASE_URL))
    with transaction.atomic():
        episode = _locked(what.fingerprint, alert)
        if alert.starts_at < episode.began_at:
            return "late"
        if alert.status == "firing":
            return _fires(what, alert, episode, by=by, now=now)
        return _ends(what, alert, episode, by=by, now=now)


def _within_its_tier(what: Signal) -> Signal:
    """With the upstreams that its route goes to, so that what is wrong with one of them may explain it."""
    tier, route = what.labels.get("tier", ""), what.labels.get("route", "")
    if not (tier and route):
        return what
    through: Callable[[str, str], Sequence[str]] = import_string(settings.ROUTE_UPSTREAMS)
    return replace(what, through=through(tier, route))


def _locked(fingerprint: str, alert: AlertIn) -> Episode:
    """What was last said of this alert, locked: two deliveries of it take turns."""
    Episode.objects.get_or_create(fingerprint=fingerprint, defaults={"began_at": alert.starts_at})
    return Episode.objects.select_for_update().get(fingerprint=fingerprint)


def _fires(what: Signal, alert: AlertIn, episode: Episode, *, by: Actor, now: datetime) -> Came:
    if episode.ended_at is not None and alert.starts_at == episode.began_at:
        return "late"
    episode.began_at, episode.ended_at = alert.starts_at, None
    episode.save()
    known = _fires_already(what)
    signalling.fire(what, by=by, now=now)
    return "repeated" if known else "fired"


def _ends(what: Signal, alert: AlertIn, episode: Episode, *, by: Actor, now: datetime) -> Came:
    """An end that comes before its beginning is kept, too: what began then is over."""
    if episode.ended_at is not None and alert.starts_at == episode.began_at:
        return "repeated"
    episode.began_at, episode.ended_at = alert.starts_at, alert.ends_at or now
    episode.save()
    if not _fires_already(what):
        return "ignored"
    why = "Alertmanager says that it is over"
    signalling.clear(rule=what.rule, labels=what.labels, why=why, by=by, now=now)
    return "resolved"


def _fires_already(what: Signal) -> bool:
    return Alert.objects.filter(fingerprint=what.fingerprint, state="FIRING").exists()
