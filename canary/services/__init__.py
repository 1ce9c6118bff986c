"""The only writer of rollouts: people start them and act on them, the tick takes them further."""

from canary.services.acting import approve, close, force, pause, promote, resume, rollback, skip, undo
from canary.services.declaring import apply
from canary.services.dry_runs import dry_run, dry_run_release
from canary.services.hooking import ask
from canary.services.loads import measure, measure_capacity
from canary.services.pruning import prune
from canary.services.rehearsing import rehearse
from canary.services.retrying import retry
from canary.services.starting import start
from canary.services.ticking import tick
from canary.services.waving import act_on_release, approve_release, release, tick_releases

__all__ = [
    "act_on_release",
    "apply",
    "approve",
    "approve_release",
    "ask",
    "close",
    "dry_run",
    "dry_run_release",
    "force",
    "measure",
    "measure_capacity",
    "pause",
    "promote",
    "prune",
    "rehearse",
    "release",
    "resume",
    "retry",
    "rollback",
    "skip",
    "start",
    "tick",
    "tick_releases",
    "undo",
]
