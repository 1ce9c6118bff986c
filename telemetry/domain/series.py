"""What was measured: samples and series, free of where they came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of an instant query. `value` may be NaN or infinite, as Prometheus said it."""

    labels: Mapping[str, str]
    value: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time. `points` are (Unix seconds, value), oldest first."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a query takes: the samples that were read, and the seconds that it was evaluated for."""

    samples: int
    seconds: float
