"""Describes the call graph with the retry policies that hold now."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import proxy.selectors
from planning.domain.amplification import Amplification, Policy, amplification
from planning.domain.graph import CallGraph, read
from planning.models import Graph
from proxy.domain.errors import UnknownTier
from proxy.domain.tier import Route, Tier


def graph() -> CallGraph:
    """The declared graph; empty where none is."""
    newest = Graph.objects.first()
    return read(newest.declared) if newest else CallGraph()


def amplified(*, now: datetime) -> Amplification:
    """The declared graph by the live policies: base configurations and what is laid over them."""
    declared = graph()
    return amplification(declared, policies(live(declared, now=now)))


def live(declared: CallGraph, *, now: datetime) -> list[Tier]:
    """The tiers that the graph names, as they are served now."""
    tiers = []
    for name in dict.fromkeys(call.route.split("/")[0] for call in declared.calls if call.route):
        try:
            tiers.append(proxy.selectors.desired(name, now=now))
        except UnknownTier:
            continue
    return tiers


def policies(tiers: Iterable[Tier]) -> dict[str, Policy]:
    """How each route retries, by `tier/route`."""
    return {f"{tier.name}/{route.name}": _policy(tier, route) for tier in tiers for route in tier.routes}


def _policy(tier: Tier, route: Route) -> Policy:
    """Of several upstreams the loosest budget counts. The floor of a budget (`min_concurrency`) does not.

    It is of retries in flight, which only matter at low traffic.
    """
    if not route.retried:
        return Policy(1)
    named = [name for name, weight in route.split.items() if weight]
    shares = [up.retry_budget.percent / 100 for up in tier.upstreams if up.name in named]
    return Policy(1 + route.retry.attempts, max(shares, default=None))


def with_tier(now: Mapping[str, Policy], tier: Tier) -> dict[str, Policy]:
    """The policies after this tier takes the place of the one of its name."""
    others = {name: policy for name, policy in now.items() if name.split("/")[0] != tier.name}
    return others | policies([tier])
