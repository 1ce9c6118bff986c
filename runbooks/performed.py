"""Describes what a run did besides its overlays: each step as a row, with what came of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from runbooks.domain.plan import PlannedStep, plan_from
from runbooks.models import Act, Run


@dataclass(frozen=True, slots=True)
class ActRow:
    """One step, or its undo (`phase`). `state` is a word of `domain.calls.CALL`; it is given up at `until`.

    `question` is what a person is asked, while there is time; `unknown`: a person is to say what came of it.
    """

    place: int
    phase: str
    kind: str
    words: str
    state: str
    answer: str
    attempts: int
    intended_at: datetime
    ended_at: datetime | None
    until: datetime | None
    question: str
    unknown: bool


def acts(run_id: int) -> list[ActRow]:
    """In the order in which they were begun."""
    run = Run.objects.filter(pk=run_id).only("plan", "state").first()
    if run is None:
        return []
    steps = {step.place: step for step in plan_from(run.plan).steps} if run.plan else {}
    return [_row(act, steps[act.place], run.state) for act in run.acts.all() if act.place in steps]


def _row(act: Act, step: PlannedStep, state: str) -> ActRow:
    asks = act.kind == "ask" and act.state == "due" and state == "MITIGATING"
    return ActRow(
        place=act.place,
        phase=act.phase,
        kind=act.kind,
        words=step.words if act.phase == "do" else step.undo,
        state=act.state,
        answer=act.answer,
        attempts=act.attempts,
        intended_at=act.intended_at,
        ended_at=act.ended_at,
        until=act.intended_at + timedelta(seconds=step.seconds) if step.seconds else None,
        question=str(act.said.get("text", "")) if asks else "",
        unknown=act.state == "unknown",
    )
