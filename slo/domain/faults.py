"""Which failures spend a budget most: for what, at which backend, and why."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slo.domain.objectives import Objective
from telemetry.domain.failure import Originator
from telemetry.domain.series import Sample

BACKEND = "backend"
NAMED = 3
_WHOSE: Mapping[str, tuple[Originator, ...]] = {
    "proxy_availability": ("proxy",),
    "route_availability": ("proxy", "backend"),
    "backend_availability": ("backend",),
}
"""Whose failed answers the kinds count that count any."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Failures of one kind. `share` (0 to 1) is of all failures that the objective counts."""

    route: str
    arm: str
    reason: str
    code: str
    share: float

    def __str__(self) -> str:
        return f"{self._said()} ({self.share:.0%})".replace("%", " %")

    def _said(self) -> str:
        where = self.arm if self.arm and self.arm != "-" else self.route
        if self.reason == BACKEND:
            return f"{where} itself answers {self.code}"
        answered = f"answers {self.code}" if self.code.startswith("5") else "fails"
        return f"the proxy {answered} for {where}: {self.reason}"


def faults(failures: Iterable[Sample], objective: Objective) -> tuple[Fault, ...]:
    """What fails of `objective`, the most first; of the answers to `telemetry.domain.catalogue.faults`."""
    whose = _WHOSE.get(objective.kind, ())
    found: dict[tuple[str, str, str, str], float] = defaultdict(float)
    for sample in failures:
        labels = sample.labels
        places = ((objective.route, "route"), (objective.upstream, "arm"))
        if labels.get("tier") != objective.tier or any(own not in ("", labels.get(of)) for own, of in places):
            continue
        made: Originator = "backend" if labels.get("reason") == BACKEND else "proxy"
        if sample.value > 0 and made in whose:
            route, arm, reason, code = (labels.get(n, "") for n in ("route", "arm", "reason", "code"))
            found[route, arm, reason, code] += sample.value
    total = sum(found.values())
    most = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Fault(*key, share=value / total) for key, value in most)


def told(found: Sequence[Fault]) -> str:
    """The kinds of failure that matter, the most first."""
    return "; ".join(str(fault) for fault in found[:NAMED])
