"""What the buttons of a run's messages do: the same as those of its page."""

from access.domain.roles import Role
from alerts.actions import Action, NotDone, Press, StillOpen
from runbooks import selectors, services
from runbooks.domain.states import WrongState
from runbooks.services.telling import APPROVE, CANCEL, DENY

REASON = "by a button in Slack"


def _approve(press: Press) -> str:
    """For the plan that the message showed."""
    try:
        services.approve(
            run_id=press.subject, plan_hash=press.bound, by=press.by, reason=REASON, now=press.now
        )
    except (
        services.UnknownRun,
        WrongState,
        services.PlanChanged,
        services.ApprovalOver,
        services.AnotherPerson,
    ) as error:
        raise NotDone(str(error)) from error
    row = selectors.run(press.subject)
    if row is not None and row.state == "AWAITING_APPROVAL":
        return StillOpen(f"Approved: run {press.subject} waits for the word of somebody else, too.")
    return f"Approved: run {press.subject} confirms the symptom once more before it acts."


def _deny(press: Press) -> str:
    try:
        services.deny(run_id=press.subject, by=press.by, reason=REASON, now=press.now)
    except (services.UnknownRun, WrongState) as error:
        raise NotDone(str(error)) from error
    return f"Denied: run {press.subject} ends, and nothing is changed on the tier."


def _cancel(press: Press) -> str:
    try:
        services.cancel(run_id=press.subject, by=press.by, reason=REASON, now=press.now)
    except (services.UnknownRun, WrongState) as error:
        raise NotDone(str(error)) from error
    return f"Run {press.subject} is cancelled: what it did is taken back at once."


ACTIONS = {
    APPROVE: Action(Role.OPERATOR, _approve),
    DENY: Action(Role.OPERATOR, _deny),
    CANCEL: Action(Role.OPERATOR, _cancel),
}
