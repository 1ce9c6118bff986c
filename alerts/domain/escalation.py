"""Who is called when nobody acknowledges a page, and when: the declared steps from the moment it was told."""

from dataclasses import dataclass
from datetime import datetime

from alerts.domain.receivers import Declared, Step


@dataclass(frozen=True, slots=True)
class Next:
    """Who is called at `at` unless somebody has acknowledged by then; `where` that is, for people."""

    to: str
    where: str
    at: datetime


def next_at(told: Declared, paged_at: datetime, *, after: datetime | None = None) -> datetime | None:
    """When the first step, or the first one after that moment, is due; None when none is left."""
    times = (paged_at + step.after for step in told.escalation)
    return min((at for at in times if after is None or at > after), default=None)


def due(told: Declared, paged_at: datetime, *, now: datetime) -> list[Step]:
    """The steps whose time has come; who was called already is among them."""
    return [step for step in told.escalation if paged_at + step.after <= now]


def upcoming(told: Declared, *, paged_at: datetime | None, due: datetime | None) -> list[Next]:
    """The steps from the one on that is `due` next; none where none is."""
    if paged_at is None or due is None:
        return []
    return [
        Next(step.to, told.receivers[step.to].shown, paged_at + step.after)
        for step in told.escalation
        if paged_at + step.after >= due
    ]


def words(step: Step) -> str:
    """How long nobody has acknowledged."""
    seconds = int(step.after.total_seconds())
    length = f"{seconds} s" if seconds % 60 else f"{seconds // 60} min"
    return f"nobody acknowledged within {length}"
