"""A month of an owner's objectives: what was promised, what was kept, and what spent the rest."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from slo.domain.budget import Budget, budget
from slo.domain.burn import NOTHING, Counts
from slo.domain.objectives import Objective
from slo.domain.spans import Span
from slo.domain.wording import promise

NOBODY = "-"
"""How an owner is written where none is named."""


@dataclass(frozen=True, slots=True)
class SpentBy:
    """An incident while the objective's alert fired in the month. `spent` is the share of the month's budget
    that the hours it fired in took; None where hours are kept no more.
    """

    incident_id: int
    title: str
    span: Span
    spent: Decimal | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was left out of the month: a correction, or maintenance that was on `times` times, with who and
    why. `span` is from its first beginning to its last end.
    """

    kind: str
    scope: str
    span: Span
    times: int
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """One objective's month. `counts` hold what is `excluded`, too; `measured` is how long was measured."""

    objective_id: int
    objective: Objective
    counts: Counts = NOTHING
    excluded: Counts = NOTHING
    measured: timedelta = timedelta(0)
    incidents: tuple[SpentBy, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def corrected(self) -> Counts:
        """The events that count."""
        return self.counts - self.excluded

    @property
    def achieved(self) -> Decimal | None:
        """The share of good events; None without an event."""
        return good(self.corrected)

    @property
    def achieved_uncorrected(self) -> Decimal | None:
        return good(self.counts)

    @property
    def kept(self) -> bool | None:
        """Whether the promise was kept; None where nothing was measured."""
        return None if self.achieved is None else self.achieved >= self.objective.target

    @property
    def spent(self) -> Decimal | None:
        """The share of the month's budget that was spent: 1 is all of it."""
        found = self._budget
        return 1 - found.left if found else None

    @property
    def spent_proxy(self) -> Decimal | None:
        found = self._budget
        return found.spent_proxy if found else None

    @property
    def spent_backend(self) -> Decimal | None:
        found = self._budget
        return found.spent_backend if found else None

    @property
    def spent_other(self) -> Decimal | None:
        found = self._budget
        return found.spent_other if found else None

    @property
    def promise(self) -> str:
        return promise(self.objective)

    @property
    def _budget(self) -> Budget | None:
        return budget(self.corrected, self.objective.target)


@dataclass(frozen=True, slots=True)
class Report:
    """One owner's month; `until` is where it is known to, which is before its end while it runs."""

    owner: str
    month: Span
    until: datetime
    lines: tuple[Line, ...]

    @property
    def name(self) -> str:
        """`2026-03`."""
        return f"{self.month.start:%Y-%m}"

    @property
    def left_out(self) -> dict[LeftOut, list[Line]]:
        """What was left out, and of which objectives; in order."""
        found: dict[LeftOut, list[Line]] = {}
        for line in self.lines:
            for each in line.left_out:
                found.setdefault(each, []).append(line)
        return dict(sorted(found.items(), key=lambda item: item[0].span))

    @property
    def so_far(self) -> bool:
        return self.until < self.month.end

    @property
    def kept(self) -> int:
        return sum(line.kept is True for line in self.lines)

    @property
    def broken(self) -> int:
        return sum(line.kept is False for line in self.lines)

    def coverage(self, line: Line) -> Decimal:
        """The share of the month, as far as it is over, that was measured."""
        length = self.until - self.month.start
        return min(Decimal(str(line.measured / length)), Decimal(1)) if length > timedelta(0) else Decimal(0)


def good(counts: Counts) -> Decimal | None:
    """The share of good events; None without an event."""
    return 1 - counts.bad / counts.total if counts.total > 0 else None


def share_of_budget(bad: Counts, *, of: Counts, target: Decimal) -> Decimal | None:
    """What these bad events are of the budget of all events `of`; None without any."""
    found = budget(of, target)
    return bad.bad / found.allowed if found else None
