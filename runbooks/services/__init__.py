"""The only writer of runs: look, decide, act by overlays, check, take back."""

from runbooks.services.people import (
    ApprovalOver,
    PlanChanged,
    PlanNotNamed,
    UnknownRun,
    approve,
    cancel,
    deny,
    set_kill_switch,
    set_mode,
    set_policy,
)
from runbooks.services.ticking import tick

__all__ = [
    "ApprovalOver",
    "PlanChanged",
    "PlanNotNamed",
    "UnknownRun",
    "approve",
    "cancel",
    "deny",
    "set_kill_switch",
    "set_mode",
    "set_policy",
    "tick",
]
