"""Objectives: what their rules cost Prometheus, and what a tick and the pages of them cost Sluice."""

from pathlib import Path

from bench import evaluating, ruling
from bench.figures import Figure
from bench.sizes import Size

BENCH = "objectives"


def run(size: Size, folder: Path) -> list[Figure]:
    """The rules first, since they want the machine for themselves."""
    return [*ruling.run(size, folder / "rules"), *evaluating.run(size, folder / "evaluations")]
