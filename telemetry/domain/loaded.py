"""The rules that a Prometheus runs, as it says itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """One rule. `query` is as Prometheus prints what it parsed; `error` is why its last evaluation failed."""

    group: str
    every: timedelta
    kind: Literal["recording", "alerting"]
    name: str
    query: str
    labels: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
