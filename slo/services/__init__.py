"""The only writer of objectives and budgets, and the publisher of the rules that they need."""

from slo.services.looking import tick
from slo.services.publishing import drifted, keep_rules, publish_rules, rule_file
from slo.services.syncing import sync, sync_all

__all__ = ["drifted", "keep_rules", "publish_rules", "rule_file", "sync", "sync_all", "tick"]
