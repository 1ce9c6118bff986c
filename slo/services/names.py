"""Who the automation is, and what it tells by which name."""

from audit.domain.actor import automation
from slo.models import Objective

BY = automation("objectives")
RULE = "slo_burn"
TICKET_RULE = "slo_ticket"
CREEP_RULE = "added_latency_creep"
POLICY_RULE = "slo_budget"


def labels(row: Objective) -> dict[str, str]:
    """What an objective's alert is known by."""
    where = {"tier": row.tier, "objective": row.name}
    return {**where, "route": row.route} if row.route else where
