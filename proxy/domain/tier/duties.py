"""What the tier is held to and what may be done to it: the meaning is the slo and the runbooks app's."""

from typing import Literal, Self

from pydantic import Field, model_validator

from proxy.domain.tier.fields import Declared, Name

RUNBOOKS = ("canary-rolled-back", "canary-step", "retry-storm", "slo-burn")
"""What a tier may name: the texts of the runbooks app, which stands above this one."""


class Objective(Declared):
    """A target that the tier or a route is held to. The slo app owns its meaning."""

    name: Name
    kind: Literal["proxy_availability", "added_latency", "route_availability"]
    target: float = Field(gt=0, lt=100)
    threshold_ms: float | None = Field(default=None, gt=0)
    route: str | None = None
    window_days: int = Field(default=30, ge=1, le=90)
    owner: str = ""
    runbook: str = ""

    @model_validator(mode="after")
    def _kind_has_its_fields(self) -> Self:
        if (self.kind == "added_latency") != (self.threshold_ms is not None):
            raise ValueError("threshold_ms belongs to kind added_latency, and only to it")
        if self.kind == "route_availability" and self.route is None:
            raise ValueError("kind route_availability needs a route")
        return self


class RunbookSetting(Declared):
    """How far a runbook may go by itself on this tier. The runbooks app owns its meaning."""

    mode: Literal["observe", "approve", "auto"] = "approve"
    policy: dict[str, str | int | float] = {}
