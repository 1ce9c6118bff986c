"""Does the steps of a plan that are no overlays, and takes them back: INTENT, act, OUTCOME, each a commit.

What the kinds are to this is in `services.steps.contract`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction

from runbooks.domain.calls import CALL, MAYBE, key_of
from runbooks.domain.plan import PlannedStep, plan_from
from runbooks.models import Act, Run
from runbooks.services import gating
from runbooks.services.looking import BY, Look
from runbooks.services.moving import lock, move
from runbooks.services.steps import KINDS
from runbooks.services.steps.contract import Came

OVERLAYS: Literal["overlays"] = "overlays"
UNDER_WAY = ("due", "sending")
TOO_OLD = "it was decided too long ago to act on"


@dataclass(frozen=True, slots=True)
class Back:
    """How far taking back is: `moved`, `wait`, `stuck` or `clear`, and why it is stuck.

    What is waited for may take `until` then, if that is known.
    """

    state: Literal["moved", "wait", "stuck", "clear"]
    why: str = ""
    until: datetime | None = None


def turn_of(run: Run) -> Literal["overlays"] | PlannedStep | None:
    """What of the plan is to be done next; None when all of it is."""
    plan = plan_from(run.plan or {})
    acts = {act.place: act for act in run.acts.filter(phase="do")}
    for step in plan.steps:
        if plan.patches and run.generation is None and step.place >= plan.overlays_at:
            return OVERLAYS
        if not _ended(acts.get(step.place)):
            return step
    return OVERLAYS if plan.patches and run.generation is None else None


def _ended(act: Act | None) -> bool:
    """Whether it was done, and the run has said so."""
    return act is not None and act.state == "done" and act.ended_at is not None


def perform(run: Run, look: Look, step: PlannedStep, *, old: bool) -> str | None:
    """Commit the step's intent unless the decision has grown `old`, or see what came of it.

    Returns why it failed, empty when the run moved on, None while nothing is known.
    """
    act = run.acts.filter(place=step.place, phase="do").first()
    if act is not None and act.ended_at is not None:
        # The worker died between the outcome and the revert.
        return f"{step.words}: {act.answer}"
    if act is None:
        if old:
            return TOO_OLD
        try:
            with transaction.atomic():
                lock(run)
                gating.refuse_when_killed()
                intend(run, step, "do", look.now)
        except gating.Killed as error:
            return str(error)
        return ""
    return _outcome(run, look, act, step.words)


def intend(run: Run, step: PlannedStep, phase: Literal["do", "undo"], now: datetime) -> None:
    """The INTENT of a step or of its undo, in the caller's transaction with the run locked."""
    Act.objects.create(
        run=run,
        place=step.place,
        phase=phase,
        kind=step.kind,
        key=key_of(run=run.pk, step=step.place, phase=phase),
        said=step.said,
        intended_at=now,
    )
    words = step.words if phase == "do" else step.undo
    move(run, "intend", why=f"it will {words}", by=BY, now=now, evidence={"step": step.place, "phase": phase})


def _outcome(run: Run, look: Look, act: Act, words: str) -> str | None:
    with transaction.atomic():
        lock(run)
        held = Act.objects.select_for_update().get(pk=act.pk)
        kind = KINDS[held.kind]
        came = (kind.do if held.phase == "do" else kind.undo)(held, run, look)
        if came is None:
            return None
        _end(held, came, look.now)
        done = came.state == "done"
        evidence = {"step": held.place, "phase": held.phase, "outcome": came.state, **came.evidence}
        why = f"{words}: {came.said}"
        move(run, "did" if done else "failed_to", why=why, by=BY, now=look.now, evidence=evidence)
    return "" if done else why


def _end(act: Act, came: Came, now: datetime) -> None:
    Act.objects.filter(pk=act.pk).update(
        state=came.state, answer=came.said, evidence=dict(came.evidence), ended_at=now
    )


def unsettled(run: Run) -> bool:
    """Whether something outside stands in its way: a call under way, or one that a person has to settle."""
    return any(
        act.state in UNDER_WAY
        or (act.state == "unknown" and not _undone_blindly(act))
        or (act.phase == "undo" and act.state == "refused")
        for act in run.acts.all()
    )


def _undone_blindly(act: Act) -> bool:
    """Whether it is taken back though nobody knows whether it was done: its receiver takes either once."""
    return act.phase == "do" and bool(act.said.get("repeatable")) and bool(act.said.get("undo"))


def take_back(run: Run, look: Look) -> Back:
    """Undo what was done, the newest first."""
    steps = {step.place: step for step in plan_from(run.plan or {}).steps}
    acts: Mapping[tuple[int, str], Act] = {(act.place, act.phase): act for act in run.acts.all()}
    for place in sorted(steps, reverse=True):
        found = _taken_back(run, look, steps[place], acts.get((place, "do")), acts.get((place, "undo")))
        if found.state != "clear":
            return found
    return Back("clear")


def _dropped(act: Act, now: datetime) -> bool:
    """What nobody has begun to send is not sent any more; what may have arrived is no longer nothing."""
    if act.evidence.get(MAYBE):
        return False
    fresh = Act.objects.filter(pk=act.pk, state="due", attempts=act.attempts)
    return bool(fresh.update(state=CALL["due"]["drop"], answer="the run had turned back", ended_at=now))


def _taken_back(run: Run, look: Look, step: PlannedStep, done: Act | None, undone: Act | None) -> Back:
    if done is None or done.state in ("refused", "dropped"):
        return Back("clear")
    if done.state == "unknown" and not _undone_blindly(done):
        return Back("stuck", f"nobody knows whether it did: {step.words}")
    if done.state in UNDER_WAY:
        return Back("clear") if _dropped(done, look.now) else Back("wait")
    if not step.undo or (undone is not None and _ended(undone)):
        return Back("clear")
    if undone is None:
        with transaction.atomic():
            lock(run)
            intend(run, step, "undo", look.now)
        return Back("moved")
    if undone.ended_at is not None:
        return Back("stuck", f"{step.undo}: {undone.answer}")
    why = _outcome(run, look, undone, step.undo)
    if why is None:
        until = undone.intended_at + timedelta(seconds=undone.said.get("deadline", 0))
        return Back("wait", until=until)
    return Back("stuck", why) if why else Back("moved")
