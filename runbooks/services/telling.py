"""What a run says: the request for approval, what it did, how it ended, when it needs a person."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

import alerts.services
from alerts.domain.buttons import Button
from alerts.domain.message import escape, runbook_link
from audit.domain.actor import Actor
from runbooks.domain import plan as plans
from runbooks.domain.judging import judge_from
from runbooks.domain.plan import Plan
from runbooks.domain.states import ENDED
from runbooks.models import Act, Run

SHOWN = 4
# What `runbooks.pressed` does when one is pressed.
APPROVE, DENY, CANCEL = "run.approve", "run.deny", "run.cancel"
YES, NO = "run.yes", "run.no"
ENDINGS = {
    "SUCCEEDED": "done and taken back",
    "FAILED_REVERTED": "did not help and was taken back",
    "CANCELLED": "cancelled and taken back",
    "DENIED": "denied",
    "EXPIRED": "nobody approved in time",
}


def ask(run: Run, plan: Plan, now: datetime) -> None:
    """Ask people to approve this plan, once a plan; in the channel, since it expires."""
    within = judge_from(run.definition, run.policy).policy.approval_for
    alerts.services.tell(
        key=f"run/{run.pk}/approval/{plan.digest}",
        kind="APPROVAL",
        incident_id=run.incident_id,
        tier=run.tier,
        route=_route(run),
        heading=": ".join([f"Approve? Run {run.pk} would {plan.summary}", *_essence(plan)]),
        numbers={
            "Touches": ", ".join(plan.routes) or run.words,
            "Ends by itself after": _minutes(plan.expires_after_seconds),
        },
        detail=[*_shown(plan), f"Undo: {plan.undo}"],
        links=_links(run),
        hint=f"Approve or deny on the run's page within {_minutes(within.total_seconds())}.",
        broadcast=True,
        buttons=_answers(run, plan, ends=now + within),
        now=now,
    )


def _answers(run: Run, plan: Plan, *, ends: datetime) -> list[Button]:
    """Yes or no to exactly this plan, while there is time to say so."""
    asks = f"Run {run.pk} confirms the symptom once more and then would {plan.summary}."
    return [
        Button(APPROVE, run.pk, "Approve", plan.digest, "primary", asks, ends),
        Button(DENY, run.pk, "Deny", plan.digest, expires_at=ends),
    ]


def question(run: Run, act: Act, *, until: datetime, now: datetime) -> None:
    """Ask people the question of a step, once; in the channel, since no answer in time is a no."""
    place = str(act.place)
    alerts.services.tell(
        key=act.key,
        kind="APPROVAL",
        incident_id=run.incident_id,
        tier=run.tier,
        route=_route(run),
        heading=f"Run {run.pk} asks: {act.said['text']}",
        links=_links(run),
        hint=f"Answer on the run's page by {until:%H:%M:%S} UTC. No answer is a no.",
        broadcast=True,
        buttons=[
            Button(YES, run.pk, "Yes", place, "primary", "The run goes on.", until),
            Button(NO, run.pk, "No", place, "danger", "What it did is taken back.", until),
        ],
        now=now,
    )


def replied(act: Act, said: str, *, now: datetime) -> None:
    """Have the question say its answer, without its buttons."""
    alerts.services.answered(prefix=act.key, said=f"{escape(said)} at {now:%H:%M:%S} UTC", now=now)


def did(run: Run, text: str, now: datetime) -> None:
    """Say what the machine just did, in the incident's thread."""
    heading = f"Run {run.pk} acted on {run.words}"
    key = f"run/{run.pk}/did/{run.version}"
    _say(run, key=key, heading=heading, action=text, buttons=[_cancel(run)], now=now)


def _cancel(run: Run) -> Button:
    """The same as the page's: what the run did is taken back, or it is closed where nothing is left of it."""
    if run.state == "NEEDS_HUMAN":
        return Button(CANCEL, run.pk, "Close the run", str(run.version), "danger", "Nothing of it is left.")
    asks = "Everything that the run did is taken back at once."
    return Button(CANCEL, run.pk, "Cancel and revert", str(run.version), "danger", asks)


def answered(run: Run, *, by: Actor, why: str, now: datetime) -> None:
    """Have its messages say how the run's last move has answered them; without their buttons, unless the run
    waits for the word of somebody else, too.
    """
    where = " in Slack" if by.source == "slack" else ""
    person = "" if by.source == "automation" else f" by {escape(by.name)}{where}"
    still = run.state == "AWAITING_APPROVAL"
    state = "approved" if still else run.state.lower().replace("_", " ")
    said = f"Run {run.pk}: {state}{person} at {now:%H:%M:%S} UTC: {escape(why)}"
    for prefix in (f"run/{run.pk}/", f"sluice-run-{run.pk}-"):
        alerts.services.answered(prefix=prefix, said=said, now=now, still=still)


def ended(run: Run, now: datetime) -> None:
    """Say how it ended, where that is worth a message."""
    if run.state in ENDED and run.state in ENDINGS:
        heading = f"Run {run.pk} on {run.words}: {ENDINGS[run.state]}"
        _say(run, key=f"run/{run.pk}/ended", heading=heading, action=ended_words(run), now=now)


def ended_words(run: Run) -> str:
    """How an ended run ended and why, by its number: what the machine did about the incident."""
    did = bool(run.generation) or run.acts.exclude(state__in=("dropped", "refused")).exists()
    untouched = "" if did else " Nothing was changed."
    return f"Run {run.pk}: {ENDINGS[run.state]}: {run.why}.{untouched}"


def need_a_person(run: Run, now: datetime) -> None:
    """Call for a person; no silence holds this back."""
    alerts.services.tell(
        key=f"run/{run.pk}/needs-human/{run.version}",
        kind="NEEDS_HUMAN",
        incident_id=run.incident_id,
        tier=run.tier,
        route=_route(run),
        heading=f"Run {run.pk} needs a person: {run.why}",
        links=_links(run),
        buttons=[_cancel(run)],
        now=now,
    )


def _say(
    run: Run, *, key: str, heading: str, action: str, now: datetime, buttons: Sequence[Button] = ()
) -> None:
    if run.incident_id is None:
        return
    alerts.services.tell(
        key=key,
        kind="INFO",
        incident_id=run.incident_id,
        heading=heading,
        action=action,
        links=_links(run)[:1],
        buttons=buttons,
        now=now,
    )


def _route(run: Run) -> str:
    return run.subject if run.scope == "route" else ""


def _links(run: Run) -> list[tuple[str, str]]:
    links = [(f"Run {run.pk}", f"{settings.BASE_URL}/runs/{run.pk}")]
    if run.incident_id is not None:
        address = runbook_link(settings.BASE_URL, run.runbook, run.incident_id)
        links.append((f"Runbook: {run.runbook}", address))
    return links


def _shown(plan: Plan) -> list[str]:
    """The lines of the difference that matter, and how many others the run's page has."""
    lines = plans.shown(plan, SHOWN)
    more = len(plan.changes) - len(lines)
    return [*lines, f"and {more} further lines on the run's page"] if more else list(lines)


def _essence(plan: Plan) -> list[str]:
    found = plans.essence(plan)
    return [", ".join(found)] if found else []


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"
