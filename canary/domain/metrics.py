"""What a plan has a rollout judged by: metrics, their shares of alpha, and what each may do."""

import re
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from canary.domain.odds import Cell

Kind = Literal["counts", "latency", "absolute", "sampled"]
Action = Literal["roll_back", "pause", "observe"]
KINDS: dict[str, Kind] = {
    "first_attempt": "counts",
    "final": "counts",
    "added_latency": "latency",
    "total_latency": "latency",
    "slo": "absolute",
}
TITLES = {
    "first_attempt": "First attempts",
    "final": "After retries",
    "added_latency": "Latency that the proxy adds",
    "total_latency": "Whole latency",
    "slo": "Against the objective",
}
# Stands for an arm's name in PromQL; what a metric of one's own may be called, as in an address.
ARM = "$arm"
OWN = re.compile(r"[a-z][a-z0-9_]{0,62}")
# What the canary does, not masked by retries. It also tells whether there was traffic at all.
FIRST = "first_attempt"


class Metric(BaseModel):
    """One metric: of KINDS, or a name of one's own with `promql`. `weight` is its share of alpha.

    action: what a FAIL does. `observe` is only shown: it neither stops the canary nor holds a step up.
    limit: of `slo` alone, the share of requests (0..1) that may fail; None: the route's strictest objective.
    promql: gives one value for an arm, whose name stands for `$arm`; it is read each `every` seconds, and
    `worse` says which of the two points of a moment is the worse one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    promql: str = Field(default="", max_length=2000)
    name: str
    weight: float = Field(default=1.0, gt=0, le=1000)
    action: Action = "roll_back"
    limit: float | None = Field(default=None, gt=0, lt=1)
    worse: Literal["higher", "lower"] = "higher"
    every: float = Field(default=10.0, ge=1, le=300)

    @field_validator("promql")
    @classmethod
    def _by_arm(cls, promql: str) -> str:
        if promql and ARM not in promql:
            raise ValueError(f"must hold {ARM}, which stands for the arm whose value it is to give")
        return promql

    @field_validator("name")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        own = bool(info.data.get("promql"))
        if own and (name in KINDS or not OWN.fullmatch(name)):
            raise ValueError("must be a name of your own beside promql: small letters, digits and _")
        if not own and name not in KINDS:
            raise ValueError(f"must be one of {', '.join(KINDS)}, or promql must say how to read {name!r}")
        return name

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.limit is not None and self.kind != "absolute":
            raise ValueError(f"limit is for slo alone: {self.name} is compared with the control")
        return self

    @property
    def kind(self) -> Kind:
        return "sampled" if self.promql else KINDS[self.name]

    @property
    def title(self) -> str:
        return TITLES.get(self.name, self.name)

    def compared(self, canary: float, control: float) -> Cell:
        """Two points of one moment as one attempt an arm: the worse point is the failed one, a tie is none.

        The odds ratio of such cells is Mann and Whitney's: P(worse) / P(better).
        """
        above = canary > control if self.worse == "higher" else canary < control
        return Cell(1, int(above), 1, int(not above and canary != control))


DEFAULT = (Metric(name="first_attempt"), Metric(name="final"))


def family(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    """The same metrics. Raises ValueError where they cannot judge a rollout together."""
    names = [metric.name for metric in metrics]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"holds {twice} twice")
    if FIRST not in names:
        raise ValueError(
            f"must hold {FIRST}, which tells whether there is traffic; it may be to observe only"
        )
    if not any(metric.action != "observe" and metric.kind != "absolute" for metric in metrics):
        raise ValueError("must hold one that earns the steps: compared with the control, not only observed")
    return metrics


def limit_of(metrics: Sequence[Metric]) -> float | None:
    """What may fail by the absolute rule, 0..1; None where none is judged, or its limit is still open."""
    return next((metric.limit for metric in metrics if metric.kind == "absolute"), None)


def bounded(metrics: Sequence[Metric], limit: float | None) -> tuple[Metric, ...]:
    """The metrics with `limit` for the absolute rule where it says none itself."""
    return tuple(
        metric.model_copy(update={"limit": limit})
        if metric.kind == "absolute" and metric.limit is None
        else metric
        for metric in metrics
    )


def share(metrics: Sequence[Metric], metric: Metric) -> float:
    """The metric's share of alpha, 0..1."""
    return metric.weight / sum(one.weight for one in metrics)
