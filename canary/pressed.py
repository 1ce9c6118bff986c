"""What the buttons of a rollout's messages do: the same as those of its page."""

from access.domain.roles import Role
from alerts.actions import Action, NotDone, Press
from canary import services
from canary.domain.errors import Refused, UnknownRollout
from canary.domain.states import WrongState
from canary.services.telling import APPROVE, ROLL_BACK

REASON = "by a button in Slack"


def _approve(press: Press) -> str:
    """For the step that the message showed."""
    try:
        services.approve(
            rollout_id=press.subject, step=int(press.bound), by=press.by, reason=REASON, now=press.now
        )
    except (UnknownRollout, WrongState, Refused) as error:
        raise NotDone(str(error)) from error
    return f"Approved: rollout {press.subject} takes its next step."


def _roll_back(press: Press) -> str:
    try:
        services.rollback(rollout_id=press.subject, by=press.by, reason=REASON, now=press.now)
    except (UnknownRollout, WrongState, Refused) as error:
        raise NotDone(str(error)) from error
    return f"Rollout {press.subject} is rolled back: its page shows each proxy as it obeys."


ACTIONS = {
    APPROVE: Action(Role.OPERATOR, _approve),
    ROLL_BACK: Action(Role.OPERATOR, _roll_back),
}
