"""What a chart is, free of how it is drawn: traces over time, boundaries, marks, and the table behind it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from telemetry.domain.series import Series

Ink = Literal["trace-1", "trace-2", "good", "acting", "wait", "bad", "unknown"]
Point = tuple[float, float | None]


@dataclass(frozen=True, slots=True)
class Trace:
    """One line: points are (Unix seconds, value), None where nothing was measured."""

    name: str
    points: tuple[Point, ...]
    ink: Ink = "trace-1"
    dash: Literal["solid", "dot", "dash"] = "solid"
    shape: Literal["linear", "hv"] = "linear"


@dataclass(frozen=True, slots=True)
class Boundary:
    """A value that matters, drawn across the chart."""

    name: str
    value: float
    ink: Ink = "bad"


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment when something was changed, in Unix seconds."""

    name: str
    at: float

    @property
    def moment(self) -> datetime:
        """The same as a time."""
        return datetime.fromtimestamp(self.at, tz=UTC)


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. `says` is what a reader who cannot see it is told."""

    slug: str
    title: str
    unit: str
    series: tuple[Trace, ...]
    says: str = ""
    lines: tuple[Boundary, ...] = ()
    marks: tuple[Mark, ...] = ()
    range: tuple[float, float] | None = None
    scale: Literal["linear", "log"] = "linear"
    promql: tuple[str, ...] = ()
    url: str = ""
    every: int = 0
    trouble: str = ""

    def at_url(self, url: str) -> "Chart":
        """The chart with the address that its script asks again."""
        return replace(self, url=url)

    @property
    def data_id(self) -> str:
        """The identifier of the element that holds its first data."""
        return f"data-{self.slug}"

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw: no data, which is not zero."""
        return not any(value is not None for trace in self.series for _, value in trace.points)

    @property
    def payload(self) -> dict[str, Any]:
        """What the browser's script draws."""
        keys = ("unit", "series", "lines", "marks", "range", "scale")
        whole = asdict(self)
        return {key: whole[key] for key in keys}

    @property
    def table(self) -> list[tuple[datetime, list[float | None]]]:
        """The newest points first, at most 60: a time and each trace's value."""
        columns = [dict(trace.points) for trace in self.series]
        times = sorted(
            {at for column in columns for at, value in column.items() if value is not None}, reverse=True
        )
        every = max(1, len(times) // 60)
        return [
            (datetime.fromtimestamp(at, tz=UTC), [column.get(at) for column in columns])
            for at in times[::every]
        ]


def points(answer: Iterable[Series], *, factor: float = 1.0) -> tuple[Point, ...]:
    """The points of the first series, times `factor`; NaN becomes a gap."""
    first = next(iter(answer), None)
    if first is None:
        return ()
    return tuple((at, None if value != value else value * factor) for at, value in first.points)


def gapped(points: Iterable[Point], *, longest: float) -> tuple[Point, ...]:
    """The points with a None in each pause longer than `longest` seconds: no line is drawn through it."""
    found: list[Point] = []
    for at, value in points:
        if found and at - found[-1][0] > longest:
            found.append(((found[-1][0] + at) / 2, None))
        found.append((at, value))
    return tuple(found)


def marks(moments: Sequence[tuple[datetime, str]], *, start: datetime, most: int = 8) -> tuple[Mark, ...]:
    """The newest changes since `start`, a few: a chart full of marks is not read."""
    recent = [(at, name) for at, name in moments if at >= start]
    return tuple(Mark(name, at.timestamp()) for at, name in sorted(recent, reverse=True)[:most])
