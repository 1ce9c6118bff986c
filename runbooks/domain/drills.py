"""What a drill found: a table with a column a side, curves over time, and what must hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

LOST_AFTER = timedelta(seconds=60)
"""A drill says that it is under way every few seconds: after so long without a word it has died."""
LOST = "it was not heard of any more: its process died"
Point = tuple[float, float | None]
"""Seconds since the side's load began, and a value; None where nothing was measured."""
NO_DATA = "no data"


def lost(seen_at: datetime, *, now: datetime) -> bool:
    """Whether a drill that has not ended has died."""
    return now - seen_at > LOST_AFTER


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `how` says what is counted, where, and by which formula."""

    key: str
    title: str
    unit: str
    how: str
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart with one curve a side."""

    key: str
    title: str
    unit: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What one side showed: `values` by a row's key (None: no data), `curves` by a plot's key."""

    values: Mapping[str, float | None]
    curves: Mapping[str, Sequence[Point]] = field(default_factory=dict)

    def value(self, key: str) -> float:
        """Raises KeyError where there is no data, so that nothing holds for want of it."""
        found = self.values.get(key)
        if found is None:
            raise KeyError(f"{key}: {NO_DATA}")
        return found


@dataclass(frozen=True, slots=True)
class Check:
    """One sentence that must be true, and whether it is."""

    says: str
    held: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One side as it was played."""

    name: str
    says: str
    measured: Measured


@dataclass(frozen=True, slots=True)
class Defence:
    """The first half of a drill: the tier without its defence, and with it."""

    rows: tuple[Row, ...]
    plots: tuple[Plot, ...]
    columns: tuple[Column, ...]
    checks: tuple[Check, ...]

    @property
    def held(self) -> bool:
        return bool(self.checks) and all(check.held for check in self.checks)

    def as_data(self) -> dict[str, Any]:
        """JSON data: each row with its value by side, each plot with its curve by side."""
        return {
            "held": self.held,
            "sides": [{"name": column.name, "says": column.says} for column in self.columns],
            "rows": [self._row(row) for row in self.rows],
            "plots": [self._plot(plot) for plot in self.plots],
            "checks": [{"says": check.says, "held": check.held} for check in self.checks],
        }

    def _row(self, row: Row) -> dict[str, Any]:
        values = [column.measured.values.get(row.key) for column in self.columns]
        return {
            "key": row.key,
            "title": row.title,
            "unit": row.unit,
            "how": row.how,
            "values": values,
            "texts": [told(row, value) for value in values],
        }

    def _plot(self, plot: Plot) -> dict[str, Any]:
        curves = [
            {"name": column.name, "points": [list(point) for point in column.measured.curves[plot.key]]}
            for column in self.columns
            if plot.key in column.measured.curves
        ]
        return {"key": plot.key, "title": plot.title, "unit": plot.unit, "curves": curves}


def told(row: Row, value: float | None) -> str:
    """A value of a row as people read it, without its unit."""
    return NO_DATA if value is None else f"{value:,.{row.digits}f}"


def table(defence: Defence) -> str:
    """The table as text, a line a row, aligned."""
    head = ["", *(column.name for column in defence.columns)]
    lines = [head]
    for row in defence.rows:
        values = [told(row, column.measured.values.get(row.key)) for column in defence.columns]
        lines.append([f"{row.title}, {row.unit}" if row.unit else row.title, *values])
    widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = line
    cells = [
        first.ljust(widths[0]),
        *(text.rjust(width) for text, width in zip(rest, widths[1:], strict=True)),
    ]
    return "  ".join(cells).rstrip()
