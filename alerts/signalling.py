"""What fires: how a signal becomes an alert, and an alert joins its incident or opens one."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, Unpack

from django.db import IntegrityError, transaction
from django.db.models import F

from alerts import announcements, explaining, incidents, paging, standing
from alerts.domain import causes
from alerts.domain.fingerprint import fingerprint
from alerts.domain.signal import Said, Signal
from alerts.domain.states import LIVE_ALERTS, OPEN_STATES, alert_after
from alerts.models import Alert, Incident
from audit.domain.actor import Actor

REOPEN_WITHIN = timedelta(minutes=10)
AT_ONCE = timedelta(0)
Seen = Literal["bad", "good", "unknown"]


def signal(*, by: Actor, now: datetime, **said: Unpack[Said]) -> int:
    """Say that a rule fires for its labels; returns the incident's number. See `Said` for the arguments.

    Idempotent per rule and labels: a repeated signal renews numbers and `last_seen` of the firing alert
    and sends nothing.
    """
    return fire(Signal(**said), by=by, now=now)


@transaction.atomic
def fire(what: Signal, *, by: Actor, now: datetime) -> int:
    """`signal`, of one value."""
    incident, was = _incident_for(what, by=by, now=now)
    # Looked up under the incident's lock, which whoever opens or ends an alert in it takes first.
    seen = Alert.objects.filter(fingerprint=what.fingerprint, state="FIRING").first()
    if seen is not None:
        return _repeat(incident, seen, what, now=now)
    alert = _alert(incident, what, now)
    worse = _join(incident, alert, was, by=by, now=now)
    numbers = {"numbers": dict(what.numbers)}
    incidents.log(incident, now=now, kind="signal", actor=by.name, text=what.summary, detail=numbers)
    explaining.look(incident, now=now)
    if incidents.held_back(incident, now):
        incidents.hold(incident)
    else:
        announcements.firing(incident, alert, now, broadcast=worse)
        if worse or not was:
            paging.begin(incident, now)
    if was:
        announcements.show(incident, now)
    return incident.pk


def observe(
    *,
    seen: Seen,
    pending_for: timedelta,
    keep_for: timedelta,
    why: str,
    by: Actor,
    now: datetime,
    **said: Unpack[Said],
) -> int | None:
    """Say how a condition is seen now: it fires once it was bad for `pending_for`, and is over once it was
    good for `keep_for`; what is unknown changes nothing. `why` is why it is over.

    The incident's number while it fires, else None.
    """
    what = Signal(**said)
    live = Alert.objects.filter(fingerprint=what.fingerprint, state__in=LIVE_ALERTS).first()
    match seen:
        case "bad":
            return _seen_bad(what, live, pending_for, by=by, now=now)
        case "good" if live is not None:
            return _seen_good(what, live, keep_for, why, by=by, now=now)
        case _:
            return live.incident_id if live else None


def _seen_bad(
    what: Signal, live: Alert | None, pending_for: timedelta, *, by: Actor, now: datetime
) -> int | None:
    if live is not None and live.state == "PENDING" and now - live.last_seen > pending_for:
        # Nobody looked for as long as it would have had to hold: it begins anew.
        Alert.objects.filter(pk=live.pk, state="PENDING").update(first_seen=now, last_seen=now)
        return None
    since = live.first_seen if live else now
    if (live is not None and live.state == "FIRING") or now - since >= pending_for:
        Alert.objects.filter(fingerprint=what.fingerprint, state="FIRING").update(clear_since=None)
        return fire(what, by=by, now=now)
    if live is None:
        try:
            with transaction.atomic():
                Alert.objects.create(**_facts(what), state="PENDING", first_seen=now, last_seen=now)
        except IntegrityError:
            return None  # another worker saw it at the same moment
    else:
        Alert.objects.filter(pk=live.pk, state="PENDING").update(last_seen=now, count=F("count") + 1)
    return None


def _seen_good(
    what: Signal, live: Alert, keep_for: timedelta, why: str, *, by: Actor, now: datetime
) -> int | None:
    if live.state == "PENDING":
        over = {"resolved_at": now, "why_resolved": f"over before it fired: {why}"}
        Alert.objects.filter(pk=live.pk, state="PENDING").update(state=alert_after("PENDING", "drop"), **over)
        return None
    since = live.clear_since or now
    if now - since < keep_for:
        Alert.objects.filter(pk=live.pk, clear_since=None).update(clear_since=now)
        return live.incident_id
    clear(rule=what.rule, labels=what.labels, why=why, by=by, now=now)
    return None


@transaction.atomic
def clear(*, rule: str, labels: Mapping[str, str], why: str, by: Actor, now: datetime, did: str = "") -> None:
    """Say that `rule` no longer fires for `labels`. The incident resolves with its last alert. Idempotent.

    `did` is what the machine did about it, now that it is done: it replaces what the signal said it does.
    """
    mark = fingerprint(rule, labels)
    alert = Alert.objects.filter(fingerprint=mark, state="FIRING").exclude(incident=None).first()
    if alert is None or alert.incident_id is None:
        return
    incident = incidents.locked(alert.incident_id)
    if not standing.end_alert(alert.pk, why, now):
        return
    if did and incident.cause == alert.cause:
        incident.action = did
        incident.save(update_fields=["action"])
        announcements.show(incident, now)
    incidents.log(incident, now=now, kind="clear", actor=by.name, text=f"{rule}: {why}")
    if incident.state in OPEN_STATES and not incident.alerts.filter(state="FIRING").exists():
        standing.over(incident, why=why, by=by, now=now, line="resolved: nothing fires any more")


def _incident_for(what: Signal, *, by: Actor, now: datetime) -> tuple[Incident, str]:
    """The incident that a signal belongs to, locked, and the state it was in: empty when it is new.

    It is the open one of the target and family, the one that was resolved a moment ago, or a new one.
    """
    mine = Incident.objects.select_for_update().filter(**what.where)
    lately = mine.filter(state="RESOLVED", resolved_at__gte=now - REOPEN_WITHIN)
    found = mine.open().first() or lately.first()
    if found is not None:
        return found, found.state
    opening = {"cause": what.cause, "severity": what.severity, "originator": what.originator}
    try:
        with transaction.atomic():
            incident = Incident.objects.create(
                **what.where, **opening, title=what.summary[:300], opened_at=now
            )
    except IntegrityError:
        # Another worker opened it between our look and our insert.
        found = mine.get(state__in=OPEN_STATES)
        return found, found.state
    incidents.record(incident, "incident.opened", by=by, why=incident.title, now=now)
    return incident, ""


def _alert(incident: Incident, what: Signal, now: datetime) -> Alert:
    """The firing alert of a signal: the one that was pending, or a new one."""
    pending = Alert.objects.filter(fingerprint=what.fingerprint, state="PENDING")
    facts = {**_facts(what), "incident": incident, "state": "FIRING", "last_seen": now}
    if pending.update(**facts):
        return Alert.objects.get(fingerprint=what.fingerprint, state="FIRING")
    return Alert.objects.create(**facts, first_seen=now)


def _facts(what: Signal) -> dict[str, Any]:
    return {
        "fingerprint": what.fingerprint,
        "rule": what.rule,
        "labels": dict(what.labels),
        "severity": what.severity,
        "originator": what.originator,
        "upstream": what.upstream or what.labels.get("upstream", ""),
        "about": what.about,
        "through": what.reach,
        "cause": what.cause,
        "summary": what.summary,
        "numbers": dict(what.numbers),
        "action": what.action,
        "runbook": what.runbook,
        "links": [list(link) for link in what.links],
    }


def _join(incident: Incident, alert: Alert, was: str, *, by: Actor, now: datetime) -> bool:
    """Take a new alert into its incident. True when that made an incident worse that people knew already."""
    pages = alert.severity == "page" and incident.severity != "page"
    if was == "RESOLVED":
        incident.flaps += 1
        incident.resolved_at = None
        incident.severity = alert.severity
        _open_again(incident, "reopen", alert, by=by, now=now)
    elif was == "MITIGATED" or (was == "ACKED" and pages):
        _open_again(incident, "worsen", alert, by=by, now=now)
    came_back = was in ("RESOLVED", "MITIGATED")
    _adopt(incident, alert, leads=came_back)
    return came_back or (bool(was) and pages)


def _open_again(incident: Incident, event: str, alert: Alert, *, by: Actor, now: datetime) -> None:
    """Nobody has what it is now, whoever had what it was."""
    incident.acked_at, incident.acked_by = None, ""
    incidents.move(incident, event, now=now, by=by, why=alert.summary, line="open again")


def _adopt(incident: Incident, alert: Alert, *, leads: bool) -> None:
    """Let the incident speak for its first cause: title, originator, numbers, action, runbook.

    With `leads` the alert is what it is about now, whatever it was about before it got better.
    """
    if leads or incident.runbook == "" or causes.parent(incident.cause, alert.cause) == alert.cause:
        incident.cause = alert.cause
        incident.title = alert.summary[:300]
        incident.originator = alert.originator
        incident.upstream = alert.upstream
        incident.numbers = alert.numbers
        incident.action = alert.action
        incident.runbook = alert.runbook
        incident.links = alert.links
    if alert.severity == "page":
        incident.severity = "page"
    incident.save()


def _repeat(incident: Incident, alert: Alert, what: Signal, *, now: datetime) -> int:
    Alert.objects.filter(pk=alert.pk).update(
        count=F("count") + 1,
        last_seen=now,
        numbers=dict(what.numbers),
        summary=what.summary,
        action=what.action,
        through=what.reach,
    )
    if what.action != alert.action:
        incidents.log(incident, now=now, kind="action", actor=alert.rule, text=what.action)
        if incident.cause == alert.cause:
            incident.action = what.action
            _follow(incident, alert, what)
            announcements.show(incident, now)
    elif _follow(incident, alert, what):
        announcements.renew(incident, now)
    return incident.pk


def _follow(incident: Incident, alert: Alert, what: Signal) -> bool:
    """Have an incident that speaks for this alert say its newest figures. False if it speaks for another."""
    speaks = incident.cause == alert.cause and incident.title == alert.summary[:300]
    if speaks:
        incident.title, incident.numbers = what.summary[:300], dict(what.numbers)
    incident.save(update_fields=["action", "title", "numbers"])
    return speaks
