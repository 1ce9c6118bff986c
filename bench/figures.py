"""Figures with their spread and what they are held to, as a table and as JSON."""

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Bound = Literal["at most", "at least", "under"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is held to."""

    bound: Bound
    limit: float

    def holds(self, value: float) -> bool:
        if self.bound == "at least":
            return value >= self.limit
        return value < self.limit if self.bound == "under" else value <= self.limit

    def __str__(self) -> str:
        return f"{self.bound} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of `repeats` measurements, with the least and the greatest of them."""

    bench: str
    name: str
    value: float
    unit: str
    least: float
    greatest: float
    repeats: int
    target: Target | None = None

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "holds" if self.target.holds(self.value) else "MISSED"

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def figure(
    bench: str, name: str, unit: str, measured: Sequence[float], target: Target | None = None
) -> Figure:
    """The median of at least one measurement."""
    return Figure(
        bench,
        name,
        statistics.median(measured),
        unit,
        min(measured),
        max(measured),
        len(measured),
        target,
    )


def percentile(measured: Iterable[float], share: float) -> float:
    """The smallest value that at least this share (0 to 1) of them do not exceed. There must be one."""
    ordered = sorted(measured)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def table(figures: Sequence[Figure]) -> str:
    """In Markdown, aligned, so that it reads in a terminal too."""
    rows = [("bench", "figure", "median", "least to greatest", "of", "target", "")]
    rows += [
        (
            each.bench,
            each.name,
            f"{_spoken(each.value)} {each.unit}".rstrip(),
            f"{_spoken(each.least)} to {_spoken(each.greatest)}",
            str(each.repeats),
            str(each.target or ""),
            each.verdict,
        )
        for each in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def write(path: Path, figures: Sequence[Figure], about: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {**about, "figures": [each.document() for each in figures]}
    path.write_text(json.dumps(document, indent=2) + "\n")


def _spoken(value: float) -> str:
    """Three digits, or all before the point."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"
