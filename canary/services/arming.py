"""Whether the arms that a plan declares fit the route that the rollout begins on."""

import re

import proxy.selectors
from canary.domain import shares
from canary.domain.errors import Refused
from canary.domain.plan import Plan
from proxy.domain import patches
from proxy.domain.errors import Invalid
from proxy.selectors import RouteRow


def check(where: RouteRow, upstream: str, plan: Plan, mode: str) -> None:
    """Raises Refused, with the path in the plan."""
    if mode == "observe" and plan.unjudged(0):
        raise Refused("plan.steps", "begins with 0, where nothing is judged: mode observe needs a weight")
    if plan.match or plan.mirror is not None:
        _check_overlay(where, upstream, plan)
    if plan.baseline is not None:
        _check_baseline(where, upstream, plan.baseline.upstream)
        _check_visitors(where, upstream, plan)


def _check_overlay(where: RouteRow, upstream: str, plan: Plan) -> None:
    if plan.match and upstream not in where.split:
        raise Refused(
            "plan.match",
            f"{upstream} must stand in the split of {where.name} with weight 0 first: a connection that is"
            " older than that would not tell who asked for the canary, and the judge must leave them out",
        )
    patch = shares.patch(plan, where.name, upstream, where.split, copied=True)
    try:
        patches.check(proxy.selectors.base(where.tier), patch)
    except Invalid as error:
        place, why = error.errors[0]
        raise Refused(_in_plan(place), why) from error


def _in_plan(place: str) -> str:
    """`arms[0].match.headers[1]` of the overlay is `plan.match.0.headers.1` of the plan."""
    dotted = re.sub(r"\[(\d+)\]", r".\1", place)
    return "plan." + re.sub(r"^arms\.(\d+)\.match", r"match.\1", dotted)


def _check_baseline(where: RouteRow, upstream: str, name: str) -> None:
    tier = proxy.selectors.base(where.tier)
    canary, baseline = tier.upstream(upstream), tier.upstream(name)
    if baseline is None:
        raise Refused("plan.baseline.upstream", f"tier {where.tier} has no upstream {name}")
    if name == upstream:
        raise Refused("plan.baseline.upstream", f"{name} is the canary: the baseline runs what stable runs")
    if where.split.get(name, 0) > 0:
        raise Refused("plan.baseline.upstream", f"{name} takes traffic of {where.name} already")
    if canary is not None and canary.protocol != baseline.protocol:
        raise Refused(
            "plan.baseline.upstream", f"speaks {baseline.protocol}, and {upstream} speaks {canary.protocol}"
        )


def _check_visitors(where: RouteRow, upstream: str, plan: Plan) -> None:
    """Two arms that grow side by side push visitors from the one into the other."""
    tier = proxy.selectors.base(where.tier)
    route = tier.route(where.name)
    if route is None or route.sticky is None:
        return
    splits = [shares.split(plan, where.split, upstream, share) for share in plan.steps]
    if not shares.keeps([each.name for each in tier.upstreams], splits, upstream):
        raise Refused(
            "plan.baseline.upstream",
            f"visitors of {where.name} keep their arm, and rising weights would move some from {upstream} to"
            " the baseline: declare the upstreams so that stable stands between the two",
        )
