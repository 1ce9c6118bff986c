"""The only writer of objectives, budgets, counts and what is left out of them; publishes the rules."""

from slo.services.correcting import Settled, UnknownExclusion, correct, end_maintenance, maintain, uncorrect
from slo.services.counting import count
from slo.services.creeping import watch_creep
from slo.services.looking import tick
from slo.services.publishing import drifted, keep_rules, publish_rules, rule_file
from slo.services.syncing import sync, sync_all
from slo.services.warning import warn

__all__ = [
    "Settled",
    "UnknownExclusion",
    "correct",
    "count",
    "drifted",
    "end_maintenance",
    "keep_rules",
    "maintain",
    "publish_rules",
    "rule_file",
    "sync",
    "sync_all",
    "tick",
    "uncorrect",
    "warn",
    "watch_creep",
]
