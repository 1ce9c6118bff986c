"""How a runbook answered a failure that was made for it: which of its stages it reached, and how fast."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

Said = Literal["yes", "no", "none"]

STAGES = {
    "fired": "a run was proposed",
    "confirmed": "the symptom was confirmed and the remedy decided",
    "acked": "every proxy acknowledged the remedy",
    "verified": "it was seen to have worked",
    "healed": "the drill ended the failure",
    "reverted": "the remedy was taken back and every proxy acknowledged that",
}
NEEDED = ("fired", "confirmed", "acked", "verified", "reverted")
_FIRST = {"confirmed": "MITIGATING", "verified": "HOLDING", "reverted": "SUCCEEDED"}
"""The state whose first entry is the stage."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of a run: the state that it entered, and when."""

    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answering:
    """`seconds` from the failure's onset to each stage that was reached. `held` is `none` where no runbook is
    meant to answer; `why` says what is missing, or how it ended.
    """

    held: Said
    why: str
    runbook: str = ""
    says: str = ""
    run_id: int | None = None
    state: str = ""
    seconds: dict[str, float] | None = None

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


NO_RUNBOOK_WANTED = Answering("none", "no runbook is meant to answer: the defence is in the declaration")


def stages(
    moments: Sequence[Moment],
    *,
    onset: datetime,
    started_at: datetime,
    applied_at: datetime | None,
    healed_at: datetime | None,
) -> dict[str, float]:
    """Seconds from the onset to each stage of `STAGES` that was reached, in their order."""
    at: dict[str, datetime | None] = {"fired": started_at, "acked": applied_at, "healed": healed_at}
    for stage, state in _FIRST.items():
        at[stage] = next((moment.at for moment in moments if moment.state == state), None)
    reached = ((stage, at.get(stage)) for stage in STAGES)
    return {stage: (moment - onset).total_seconds() for stage, moment in reached if moment is not None}


def answered(
    *,
    runbook: str,
    says: str,
    run_id: int,
    state: str,
    why: str,
    seconds: dict[str, float],
) -> Answering:
    """It held where it reached every stage by itself, and left nothing on the tier."""
    missing = [stage for stage in NEEDED if stage not in seconds]
    if missing:
        said = f"run {run_id} is {_words(state)} ({why}); it never came so far that {STAGES[missing[0]]}"
        return Answering("no", said, runbook, says, run_id, state, seconds)
    return Answering("yes", f"run {run_id} {_words(state)}", runbook, says, run_id, state, seconds)


def silent(*, runbook: str, says: str, why: str) -> Answering:
    """No run came, or no runbook is there."""
    return Answering("no", why, runbook, says)


def lines(answering: Answering) -> list[str]:
    """Each stage with its seconds since the onset, a line each."""
    seconds = answering.seconds or {}
    return [f"{seconds[stage]:6.1f} s  {said}" for stage, said in STAGES.items() if stage in seconds]


def _words(state: str) -> str:
    return state.lower().replace("_", " ")
