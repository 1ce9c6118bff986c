"""The only writer of alerts, incidents, silences and the outbox.

A message is a row that is written in the transaction of the change that it tells of; `deliver` sends the
rows. So a change that is rolled back tells nobody, and one that is committed is told or visibly not told.

Everybody locks an incident before its alerts, and both after the run, the rollout and the tier that they are
about: `runbooks.services.moving.lock` has the whole order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import F

from alerts import announcements, incidents, outbox, silencing
from alerts.domain import causes, message
from alerts.domain.fingerprint import fingerprint
from alerts.domain.message import Facts
from alerts.domain.states import OPEN_STATES
from alerts.models import Alert, Heartbeat, Incident
from alerts.ports import Chat
from audit.domain.actor import Actor

Severity = Literal["page", "ticket"]
Originator = Literal["proxy", "backend", "both", "unknown"]
Kind = Literal["FIRING", "RESOLVED", "APPROVAL", "NEEDS_HUMAN", "INFO"]

REOPEN_WITHIN = timedelta(minutes=10)
DEFAULT_BEAT = timedelta(seconds=5)

UnknownIncident = incidents.UnknownIncident
resend = outbox.resend
silence = silencing.silence
unsilence = silencing.unsilence
expire_silences = silencing.expire_silences


@transaction.atomic
def signal(
    *,
    rule: str,
    labels: Mapping[str, str],
    severity: Severity,
    originator: Originator,
    summary: str,
    numbers: Mapping[str, str],
    action: str,
    runbook: str,
    cause: str,
    by: Actor,
    now: datetime,
    upstream: str = "",
    links: Sequence[tuple[str, str]] = (),
) -> int:
    """Say that `rule` fires for `labels` (identity: `tier`, and `route` and `upstream` where known).

    Idempotent per rule and labels: a repeated signal renews numbers and `last_seen` of the firing alert
    and sends nothing. `upstream` is which backend it is, where the labels do not have it since it may change
    while the rule fires. `links` are (words, path) of Sluice's pages about it. Returns the incident's number.
    """
    mark = fingerprint(rule, labels)
    where = {"tier": labels.get("tier", ""), "route": labels.get("route", ""), "family": causes.family(cause)}
    opening = {"cause": cause, "severity": severity, "originator": originator, "title": summary[:300]}
    incident, was = _incident_for(where, opening, by=by, now=now)
    # Looked up under the incident's lock, which whoever opens or ends an alert in it takes first.
    seen = Alert.objects.filter(fingerprint=mark, state="FIRING").first()
    if seen is not None:
        return _repeat(incident, seen, summary=summary, numbers=numbers, action=action, now=now)
    alert = Alert.objects.create(
        fingerprint=mark,
        rule=rule,
        labels=dict(labels),
        incident=incident,
        severity=severity,
        originator=originator,
        upstream=upstream or labels.get("upstream", ""),
        cause=cause,
        summary=summary,
        numbers=dict(numbers),
        action=action,
        runbook=runbook,
        links=[list(link) for link in links],
        first_seen=now,
        last_seen=now,
    )
    worse = _join(incident, alert, was, by=by, now=now)
    incidents.log(
        incident, now=now, kind="signal", actor=by.name, text=summary, detail={"numbers": dict(numbers)}
    )
    if not incidents.silenced(incident, now):
        announcements.firing(incident, alert, now, broadcast=worse)
    if was:
        announcements.show(incident, now)
    return incident.pk


def _incident_for(
    where: Mapping[str, str], opening: Mapping[str, str], *, by: Actor, now: datetime
) -> tuple[Incident, str]:
    """The incident that a signal belongs to, locked, and the state it was in: empty when it is new.

    It is the open one of the target and family, the one that was resolved a moment ago, or a new one.
    """
    mine = Incident.objects.select_for_update().filter(**where)
    lately = mine.filter(state="RESOLVED", resolved_at__gte=now - REOPEN_WITHIN)
    found = mine.filter(state__in=OPEN_STATES).first() or lately.first()
    if found is not None:
        return found, found.state
    try:
        with transaction.atomic():
            incident = Incident.objects.create(**where, **opening, opened_at=now)
    except IntegrityError:
        # Another worker opened it between our look and our insert.
        found = mine.get(state__in=OPEN_STATES)
        return found, found.state
    incidents.record(incident, "incident.opened", by=by, why=incident.title, now=now)
    return incident, ""


def _join(incident: Incident, alert: Alert, was: str, *, by: Actor, now: datetime) -> bool:
    """Take a new alert into its incident. True when that made an incident worse that people knew already."""
    if was == "RESOLVED":
        incident.flaps += 1
        incident.resolved_at = incident.acked_at = None
        incident.acked_by = ""
        incidents.move(incident, "reopen", now=now, by=by, why=alert.summary, line="open again")
    elif was == "MITIGATED":
        incidents.move(incident, "worsen", now=now, by=by, why=alert.summary, line="open again")
    pages = alert.severity == "page" and incident.severity != "page"
    came_back = was in ("RESOLVED", "MITIGATED")
    _adopt(incident, alert, leads=came_back)
    return came_back or (bool(was) and pages)


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


def _repeat(
    incident: Incident, alert: Alert, *, summary: str, numbers: Mapping[str, str], action: str, now: datetime
) -> int:
    Alert.objects.filter(pk=alert.pk).update(
        count=F("count") + 1, last_seen=now, numbers=dict(numbers), summary=summary, action=action
    )
    if action != alert.action:
        incidents.log(incident, now=now, kind="action", actor=alert.rule, text=action)
        if incident.cause == alert.cause:
            incident.action = action
            _follow(incident, alert, summary=summary, numbers=numbers)
            announcements.show(incident, now)
    elif _follow(incident, alert, summary=summary, numbers=numbers):
        announcements.renew(incident, now)
    return incident.pk


def _follow(incident: Incident, alert: Alert, *, summary: str, numbers: Mapping[str, str]) -> bool:
    """Have an incident that speaks for this alert say its newest figures. False if it speaks for another."""
    speaks = incident.cause == alert.cause and incident.title == alert.summary[:300]
    if speaks:
        incident.title, incident.numbers = summary[:300], dict(numbers)
    incident.save(update_fields=["action", "title", "numbers"])
    return speaks


@transaction.atomic
def clear(*, rule: str, labels: Mapping[str, str], why: str, by: Actor, now: datetime, did: str = "") -> None:
    """Say that `rule` no longer fires for `labels`. The incident resolves with its last alert. Idempotent.

    `did` is what the machine did about it, now that it is done: it replaces what the signal said it does.
    """
    mark = fingerprint(rule, labels)
    alert = Alert.objects.filter(fingerprint=mark, state="FIRING").first()
    if alert is None:
        return
    incident = Incident.objects.select_for_update().get(pk=alert.incident_id)
    if not _end_alert(alert.pk, why, now):
        return
    if did and incident.cause == alert.cause:
        incident.action = did
        incident.save(update_fields=["action"])
        announcements.show(incident, now)
    incidents.log(incident, now=now, kind="clear", actor=by.name, text=f"{rule}: {why}")
    if incident.state in OPEN_STATES and not incident.alerts.filter(state="FIRING").exists():
        _resolve(incident, why=why, by=by, now=now, line="resolved: nothing fires any more")


def _end_alert(pk: int, why: str, now: datetime) -> int:
    return Alert.objects.filter(pk=pk, state="FIRING").update(
        state="RESOLVED", resolved_at=now, why_resolved=why
    )


@transaction.atomic
def acknowledge(*, incident_id: int, by: Actor, reason: str, now: datetime) -> None:
    """A person has it. Raises UnknownIncident, and WrongState when it is resolved or acknowledged already."""
    incident = incidents.locked(incident_id)
    incident.acked_at, incident.acked_by = now, by.name
    incidents.move(incident, "acknowledge", now=now, by=by, why=reason)
    announcements.show(incident, now)


@transaction.atomic
def mitigate(*, incident_id: int, by: Actor, reason: str, now: datetime, standing: str = "") -> bool:
    """The symptom is gone though its cause may not be. False when the incident is past that already.

    `standing` is what clients still feel: the root message says that first.
    """
    incident = incidents.locked(incident_id)
    if incident.state not in ("OPEN", "ACKED"):
        return False
    incident.alerts.filter(state="FIRING").update(mitigated_at=now)
    incident.standing = standing
    incidents.move(incident, "mitigate", now=now, by=by, why=reason)
    announcements.show(incident, now)
    return True


@transaction.atomic
def worsen(*, incident_id: int, by: Actor, reason: str, now: datetime) -> bool:
    """What was mitigated is back though its alerts never cleared: told where everybody sees it.

    False when the incident is not mitigated.
    """
    incident = incidents.locked(incident_id)
    if incident.state != "MITIGATED":
        return False
    incident.alerts.filter(state="FIRING").update(mitigated_at=None)
    incidents.move(incident, "worsen", now=now, by=by, why=reason)
    if not incidents.silenced(incident, now):
        announcements.back(incident, reason, now)
    announcements.show(incident, now)
    return True


@transaction.atomic
def stands(
    *, incident_id: int, standing: str, numbers: Mapping[str, str], action: str, now: datetime
) -> bool:
    """Say how a mitigated incident is now, in its figures and its root message; the timeline stays as it is.

    False when it is not mitigated.
    """
    incident = incidents.locked(incident_id)
    if incident.state != "MITIGATED":
        return False
    incident.standing, incident.numbers, incident.action = standing, dict(numbers), action
    incident.save(update_fields=["standing", "numbers", "action"])
    announcements.renew(incident, now)
    return True


@transaction.atomic
def acted(*, incident_id: int, action: str, by: Actor, now: datetime) -> None:
    """Say what the machine does about it now: in the timeline and in the root message. Idempotent."""
    incident = incidents.locked(incident_id)
    if incident.action == action:
        return
    incident.action = action
    incident.save(update_fields=["action"])
    incidents.log(incident, now=now, kind="action", actor=by.name, text=action)
    announcements.show(incident, now)


@transaction.atomic
def resolve(*, incident_id: int, by: Actor, reason: str, now: datetime) -> None:
    """Close it and what still fires in it. Raises UnknownIncident, WrongState.

    A condition that goes on reopens it at its next new signal, with one flap more.
    """
    incident = incidents.locked(incident_id)
    _resolve(incident, why=reason, by=by, now=now)
    for pk in incident.alerts.filter(state="FIRING").values_list("pk", flat=True):
        _end_alert(pk, reason, now)


def _resolve(incident: Incident, *, why: str, by: Actor, now: datetime, line: str = "") -> None:
    incident.resolved_at = now
    incidents.move(incident, "resolve", now=now, by=by, why=why, line=line)
    announcements.show(incident, now)
    person = "" if by.source == "automation" else by.name
    announcements.resolved(incident, why, now, person=person)


@transaction.atomic
def note(
    *, incident_id: int, text: str, by: Actor, now: datetime, detail: Mapping[str, object] | None = None
) -> None:
    """Add a line to an incident's timeline; nothing is sent."""
    incidents.log(
        incidents.locked(incident_id), now=now, kind="action", actor=by.name, text=text, detail=detail
    )


@transaction.atomic
def tell(
    *,
    key: str,
    kind: Kind,
    incident_id: int | None,
    heading: str,
    now: datetime,
    numbers: Mapping[str, str] | None = None,
    action: str = "",
    detail: Sequence[str] = (),
    links: Sequence[tuple[str, str]] = (),
    tier: str = "",
    route: str = "",
    originator: str = "",
    runbook: str = "",
    hint: str = "",
    broadcast: bool = False,
) -> bool:
    """Send one message once per `key`, in the incident's thread when there is one.

    In an incident the message also says what every message of it does: originator, figures, what the machine
    did, the runbook's link. Outside one the caller gives `originator` in words, and `runbook`. `links` are
    (words, address) pairs; with `broadcast` the channel shows it, too.
    True when the row was added: not when the key was there already, nor under a silence (which never holds
    back NEEDS_HUMAN).
    """
    incident = incidents.locked(incident_id) if incident_id is not None else None
    if incident is None and runbook:
        links = [announcements.runbook(runbook), *links]
    if incident is not None:
        if kind != "NEEDS_HUMAN" and incidents.silenced(incident, now):
            return False
        known = announcements.told(incident)
        tier, route = tier or known.tier, route or known.route
        originator, numbers, action = (
            known.originator,
            {**(numbers or {}), **known.numbers},
            action or known.action,
        )
        given = {address for _, address in links}
        links = [*links, *(link for link in known.links if link[1] not in given)]
    facts = Facts(
        heading=heading,
        tier=tier,
        route=route,
        originator=originator,
        numbers=numbers or {},
        action=action,
        detail=detail,
        links=links,
        hint=hint,
    )
    payload = message.payload(facts, broadcast=broadcast)
    added = outbox.add(key=key, kind=kind, incident=incident, payload=payload, now=now)
    if added and incident is not None:
        # Callers repeat themselves at every tick: what is not sent again is not told again either.
        incidents.log(incident, now=now, kind="message", actor="alerts", text=heading)
    return added


def deliver(*, chat: Chat, now: datetime) -> int:
    """End the silences that are over and send what is due. Returns how many messages the chat confirmed."""
    expire_silences(now=now)
    confirmed = outbox.deliver(chat=chat, now=now)
    beat(name="messages", now=now)
    return confirmed


def beat(*, name: str, now: datetime, every: timedelta = DEFAULT_BEAT) -> None:
    """Say that a part of the automation did its round; it is late after three times `every`."""
    Heartbeat.objects.update_or_create(name=name, defaults={"at": now, "every": every})
