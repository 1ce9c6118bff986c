"""The only writer of runs: look, decide, act by overlays, check, take back."""

from runbooks.services.calling import send
from runbooks.services.declaring import BuiltIn, ChangedMeanwhile, InUse, declare, delete
from runbooks.services.declaring import changes as runbook_changes
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
from runbooks.services.replying import NothingAsked, answer, settle
from runbooks.services.ticking import tick

__all__ = [
    "ApprovalOver",
    "BuiltIn",
    "ChangedMeanwhile",
    "InUse",
    "NothingAsked",
    "PlanChanged",
    "PlanNotNamed",
    "UnknownRun",
    "answer",
    "approve",
    "cancel",
    "declare",
    "delete",
    "deny",
    "runbook_changes",
    "send",
    "set_kill_switch",
    "set_mode",
    "set_policy",
    "settle",
    "tick",
]
