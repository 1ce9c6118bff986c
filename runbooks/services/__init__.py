"""The only writer of runs: look, decide, act by overlays, check, take back."""

from runbooks.services.calling import send
from runbooks.services.declaring import BuiltIn, ChangedMeanwhile, InUse, declare, delete
from runbooks.services.declaring import changes as runbook_changes
from runbooks.services.people import (
    AnotherPerson,
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
from runbooks.services.rehearsing import Rehearsed, rehearse
from runbooks.services.replying import NothingAsked, answer, settle
from runbooks.services.starting import CannotStart, DryRun, dry_run, start
from runbooks.services.taking import TooLong, extend, give_back, take
from runbooks.services.ticking import tick

__all__ = [
    "AnotherPerson",
    "ApprovalOver",
    "BuiltIn",
    "CannotStart",
    "ChangedMeanwhile",
    "DryRun",
    "InUse",
    "NothingAsked",
    "PlanChanged",
    "PlanNotNamed",
    "Rehearsed",
    "TooLong",
    "UnknownRun",
    "answer",
    "approve",
    "cancel",
    "declare",
    "delete",
    "deny",
    "dry_run",
    "extend",
    "give_back",
    "rehearse",
    "runbook_changes",
    "send",
    "set_kill_switch",
    "set_mode",
    "set_policy",
    "settle",
    "start",
    "take",
    "tick",
]
