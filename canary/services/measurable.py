"""Whether a plan's metrics can be measured on a route, before its rollout starts."""

import proxy.selectors
import slo.selectors
from canary.domain.errors import Refused
from canary.domain.metrics import bounded, limit_of
from canary.domain.plan import Plan
from proxy.selectors import RouteRow


def settled(plan: Plan, where: RouteRow) -> Plan:
    """The plan with what `slo` compares with filled in. Raises Refused, naming the metric."""
    tier = proxy.selectors.base(where.tier)
    for number, metric in enumerate(plan.metrics):
        if metric.name == "added_latency" and not tier.exact_added_latency:
            why = f"tier {where.tier} does not measure it: set exact_added_latency, or take total_latency"
            raise Refused(f"plan.metrics.{number}.name", why)
    return _with_limit(plan, where)


def same(asked: Plan, known: Plan) -> bool:
    """Whether a plan asks for what another was settled to."""
    return _bounded(asked, limit_of(known.metrics)) == known


def _with_limit(plan: Plan, where: RouteRow) -> Plan:
    open_ = [number for number, one in enumerate(plan.metrics) if one.kind == "absolute" and not one.limit]
    if not open_:
        return plan
    target = slo.selectors.strictest_availability(where.tier, where.name)
    if target is None:
        why = f"{where.name} has no objective for its availability: declare one, or say the limit"
        raise Refused(f"plan.metrics.{open_[0]}.limit", why)
    return _bounded(plan, float(1 - target))


def _bounded(plan: Plan, limit: float | None) -> Plan:
    return plan.model_copy(update={"metrics": bounded(plan.metrics, limit)})
