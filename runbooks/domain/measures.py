"""What was measured of one target at a moment, by the names that its runbook gives its signals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Measure:
    """`values` by signal, None is no data. `names` by signal: the series that weigh most, heaviest first.

    `why_no_data` is set where nothing could be measured at all.
    """

    at: datetime
    values: Mapping[str, float | None] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    why_no_data: str = ""

    @property
    def is_blind(self) -> bool:
        """Whether nothing is known of the tier: Prometheus is away, or scrapes no proxy of it.

        Where it does, a signal without series is in `values`, as None.
        """
        return not self.values

    def value(self, signal: str) -> float | None:
        """The figure of one signal, or None where there is no data."""
        return self.values.get(signal)

    def heaviest(self, signal: str) -> str:
        """The series that weighs most in the signal, or empty."""
        return next(iter(self.names.get(signal, ())), "")


def as_data(measure: Measure) -> dict[str, Any]:
    """JSON data that `measure_from` reads back."""
    return {
        "at": measure.at.isoformat(),
        "values": dict(measure.values),
        "names": {signal: list(names) for signal, names in measure.names.items()},
        "why_no_data": measure.why_no_data,
    }


def measure_from(data: Mapping[str, Any]) -> Measure:
    """The measure that `as_data` wrote."""
    return Measure(
        at=datetime.fromisoformat(str(data["at"])),
        values=dict(data.get("values", {})),
        names={signal: tuple(names) for signal, names in data.get("names", {}).items()},
        why_no_data=str(data.get("why_no_data", "")),
    )
