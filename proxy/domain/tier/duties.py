"""What may be done to the tier: the meaning is the runbooks app's."""

from typing import Literal

from proxy.domain.tier.fields import Declared

RUNBOOKS = ("canary-rolled-back", "canary-step", "latency-creep", "retry-storm", "slo-burn")
"""What a tier may name: the texts of the runbooks app, which stands above this one."""


class RunbookSetting(Declared):
    """How far a runbook may go by itself on this tier. The runbooks app owns its meaning."""

    mode: Literal["observe", "approve", "auto"] = "approve"
    policy: dict[str, str | int | float] = {}
