"""What a kind of step is to the engine: how it is planned, done, and taken back.

The steps of a remedy are done in the order of the plan, in these rooms:

- A kind that lays overlays has `patches` alone. All overlays of a plan are laid together, in one transaction,
  where the first of them stands: leases, fences, expiry, read-back and revert are the engine's.
- Every other step is a row `models.Act`, which is its INTENT: the engine commits it, with a move of the run,
  before `do` is asked for the first time. `do` is then asked at every round, inside the transaction of its
  OUTCOME, until it says what came of it. It reads and writes rows only. What leaves this machine is sent by a
  task of its own, which claims acts that are `due` (`domain.calls.CALL`) and writes their answers; here it is
  read.
- To take back, newest first: an act that nobody has begun is dropped, one that was done gets an act of the
  phase `undo` where its plan has an undo, and one whose outcome is unknown, or whose undo failed, calls for a
  person.

`nature` says what may be repeated after a crash between INTENT and OUTCOME: `read` and `declarative` by
asking again, `keyed` with its key, `at_most_once` never by itself. What is `read` changes nothing that would
have to be taken back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from proxy.domain.tier import Tier
from runbooks.domain.measures import Measure
from runbooks.models import Act, Run
from runbooks.services.looking import Look
from runbooks.services.watched import Watched

Nature = Literal["read", "declarative", "keyed", "at_most_once"]


class CannotPlan(Exception):
    """The step cannot be planned now; the reason completes "it cannot be planned:"."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a plan is made for. `known` is what placeholders stand for."""

    tier: Tier
    watched: Watched
    subject: str
    measured: Measure
    now: datetime
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Planned:
    """One step as it will be done: `said` is exact JSON data, which the plan's hash covers.

    `words` completes "Run 7 would"; `undo` says how it is taken back: empty where nothing takes it back.
    """

    said: Mapping[str, Any]
    words: str
    undo: str = ""


@dataclass(frozen=True, slots=True)
class Came:
    """What came of an act, in `said` in words."""

    state: Literal["done", "refused", "unknown"]
    said: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


class Overlaying(Protocol):
    """A kind that lays overlays."""

    def patches(self, step: Mapping[str, Any], case: Case) -> Sequence[dict[str, Any]]:
        """The patches of one filled step. Raises CannotPlan."""


class Kind(Protocol):
    """A kind that is done by an act."""

    nature: Nature

    def plan(self, step: Mapping[str, Any], case: Case) -> Planned:
        """One filled step as it will be done. Reads only. Raises CannotPlan."""

    def do(self, act: Act, run: Run, look: Look) -> Came | None:
        """What came of it, or None while that is not known. In the outcome's transaction, the run locked."""

    def undo(self, act: Act, run: Run, look: Look) -> Came | None:
        """As `do`, of the act of the phase `undo`. Not asked where the plan has no undo."""
