"""What the buttons of an incident's message do."""

from datetime import timedelta

from access.domain.roles import Role
from alerts import services
from alerts.actions import Action, NotDone, Press
from alerts.announcements import ACKNOWLEDGE, SILENCE
from alerts.domain.states import WrongState

SILENCE_FOR = timedelta(hours=1)
REASON = "by a button in Slack"


def _acknowledge(press: Press) -> str:
    try:
        services.acknowledge(incident_id=press.subject, by=press.by, reason=REASON, now=press.now)
    except (services.UnknownIncident, WrongState) as error:
        raise NotDone(str(error)) from error
    return f"Incident {press.subject} is acknowledged: you have it. Runbooks and alerts go on."


def _silence(press: Press) -> str:
    until = press.now + SILENCE_FOR
    try:
        services.silence(incident_id=press.subject, until=until, by=press.by, reason=REASON, now=press.now)
    except services.UnknownIncident as error:
        raise NotDone(str(error)) from error
    return f"Nothing more is said of incident {press.subject} until {until:%H:%M} UTC. Reverts go on."


ACTIONS = {
    ACKNOWLEDGE: Action(Role.OPERATOR, _acknowledge),
    SILENCE: Action(Role.OPERATOR, _silence),
}
