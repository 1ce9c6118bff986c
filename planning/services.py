"""The only writer of the call graph."""

from datetime import datetime

from django.db import transaction

import audit.services
from audit.domain.actor import Actor
from planning import selectors
from planning.domain.graph import SECTION, CallGraph
from planning.models import Graph


@transaction.atomic
def declare(*, graph: CallGraph, by: Actor, reason: str, now: datetime) -> bool:
    """Keep the graph as the one that holds, unless it is that already; returns whether it changed."""
    if graph == selectors.graph():
        return False
    Graph.objects.create(declared=graph.as_data(), by=by.name, reason=reason, at=now)
    audit.services.record(
        by=by,
        action="callgraph.declare",
        target=SECTION,
        reason=reason,
        now=now,
        detail={"calls": len(graph.calls)},
    )
    return True
