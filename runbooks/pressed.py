"""What the buttons of a run's messages do: the same as those of its page."""

from functools import partial

from access.domain.roles import Role
from alerts.actions import Action, NotDone, Press, StillOpen
from runbooks import selectors, services
from runbooks.domain.states import WrongState
from runbooks.services.telling import APPROVE, CANCEL, DENY, NO, YES

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


def _answer(press: Press, *, yes: bool) -> str:
    """To the question of the step that the message showed."""
    try:
        services.answer(
            run_id=press.subject, place=int(press.bound), yes=yes, by=press.by, reason=REASON, now=press.now
        )
    except (services.UnknownRun, WrongState, services.NothingAsked) as error:
        raise NotDone(str(error)) from error
    then = "goes on" if yes else "takes back what it did"
    return f"{'Yes' if yes else 'No'}: run {press.subject} {then} at its next round."


ACTIONS = {
    APPROVE: Action(Role.OPERATOR, _approve),
    DENY: Action(Role.OPERATOR, _deny),
    CANCEL: Action(Role.OPERATOR, _cancel),
    YES: Action(Role.OPERATOR, partial(_answer, yes=True)),
    NO: Action(Role.OPERATOR, partial(_answer, yes=False)),
}
