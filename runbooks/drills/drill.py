"""A drill as data: its sides, what is measured, what must hold, and the failure that it makes in the lab."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from runbooks.domain.drills import Check, Measured, Plot, Row
from runbooks.drills.lab import Lab
from runbooks.drills.world import World

Play = Callable[[World], Awaitable[Measured]]
Inject = Callable[[Lab], AbstractAsyncContextManager[None]]


class CannotPlay(Exception):
    """This machine does not permit what the drill needs; the message says what that is."""


@dataclass(frozen=True, slots=True)
class Side:
    """One small world. `play` starts its parts, sends its load and measures; the world ends the parts."""

    name: str
    says: str
    play: Play


@dataclass(frozen=True, slots=True)
class Live:
    """A real failure in the running lab, for as long as the block of `inject` lasts, and what must answer it.

    `target` is how the run names what it is about, such as `edge/route/shop`. `says` is the failure in words.
    `policy` is laid over the drill's own windows, thresholds too: what the lab's few clients can reach.
    """

    runbook: str
    target: str
    says: str
    inject: Inject
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drill:
    """One failure mode. The first side has no defence; every other has one.

    `judge` gets what the sides showed, in their order, and says what must be true of it. `source` is the
    section of the source document that the failure mode is from. Without `live` there is no runbook for it.
    """

    name: str
    title: str
    purpose: str
    source: str
    sides: tuple[Side, ...]
    rows: tuple[Row, ...]
    plots: tuple[Plot, ...]
    judge: Callable[[Sequence[Measured]], Sequence[Check]]
    live: Live | None = None
