"""The section `call_graph` of a declaration, and what a new revision of a tier does to the amplification."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import proxy.selectors
from audit.domain.actor import Actor
from planning import selectors, services
from planning.domain.amplification import Policy, amplification, worse
from planning.domain.graph import SECTION, CallGraph, read
from proxy.domain.errors import Invalid, Problem, UnknownTier
from proxy.domain.tier import Tier
from proxy.meanings import Said
from proxy.sections import Section


def check(given: Any, tiers: Mapping[str, Tier], now: datetime) -> Said:
    """What is wrong with the section, and the services that more than one layer retries for."""
    if given is None:
        return Said()
    try:
        graph = read(given)
    except Invalid as error:
        return Said(tuple(error.errors))
    known = selectors.policies(_known(graph, tiers, now))
    problems = tuple(_unknown_routes(graph, known))
    if problems:
        return Said(problems)
    return Said((), tuple(_flagged(graph, known)))


def changes(given: Any) -> tuple[str, ...]:
    """What declaring the section would change."""
    graph = read(given or {})
    if graph == selectors.graph():
        return ()
    return (f"~ callgraph {len(graph.calls)} calls (before: {len(selectors.graph().calls)})",)


def declare(given: Any, by: Actor, reason: str, now: datetime) -> tuple[str, ...]:
    """Take the section in; `call_graph:` without anything forgets it. Raises Invalid."""
    told = changes(given)
    services.declare(graph=read(given or {}), by=by, reason=reason, now=now)
    return told


def export() -> dict[str, Any] | None:
    """The graph as `declare` takes it."""
    graph = selectors.graph()
    return graph.as_data() if graph.calls else None


def revision(tier: Tier, published: Tier | None, now: datetime) -> Said:
    """What the tier's new revision makes worse along the declared calls: that wants a reason."""
    graph = selectors.graph()
    if not any(call.route and call.route.split("/")[0] == tier.name for call in graph.calls):
        return Said()
    before = selectors.policies(_base(graph))
    after = selectors.with_tier(before, tier)
    lines = worse(amplification(graph, before), amplification(graph, after))
    return Said(wants_reason=tuple(f"retries: {line}" for line in lines))


def _base(graph: CallGraph) -> Iterator[Tier]:
    """The published tiers that the graph names, without what is laid over them for a while."""
    for name in dict.fromkeys(call.route.split("/")[0] for call in graph.calls if call.route):
        try:
            yield proxy.selectors.base(name)
        except UnknownTier:
            continue


def _known(graph: CallGraph, tiers: Mapping[str, Tier], now: datetime) -> list[Tier]:
    """The tiers of the document, and of the published ones those that it leaves alone."""
    declared = {tier.name: tier for tier in tiers.values()}
    return [*declared.values(), *(tier for tier in _base(graph) if tier.name not in declared)]


def _unknown_routes(graph: CallGraph, known: Mapping[str, Policy]) -> Iterator[Problem]:
    for index, call in enumerate(graph.calls):
        if call.route and call.route not in known:
            said = f"there is no route {call.route}: declare it, or leave `route` out"
            yield f"{SECTION}.calls[{index}].route", said


def _flagged(graph: CallGraph, known: Mapping[str, Policy]) -> Iterator[str]:
    for load in amplification(graph, known).flagged:
        yield (
            f"{SECTION}: {load.service} is retried for at {len(load.retrying)} layers, x{load.worst:.3g} at"
            f" worst ({load.formula}): keep {load.keep}, switch off {', '.join(load.others)}"
        )


CALL_GRAPH = Section(SECTION, check=check, changes=changes, declare=declare, export=export)
