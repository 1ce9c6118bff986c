"""Pages of planning."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from planning import capacity, selectors
from planning.domain import wording
from planning.domain.drawing import drawing
from telemetry.patience import patient


@requires(Role.VIEWER)
@require_safe
def planning(request: HttpRequest) -> HttpResponse:
    """What can retries make of one request, and what do requests hold: does it fit?"""
    now = timezone.now()
    graph, found = selectors.graph(), selectors.amplified(now=now)
    heaviest = max(found.loads, key=lambda load: load.worst, default=None)
    tiers = [
        (one, list(wording.buffers_rows(one.buffers, one.why_unknown)))
        for one in capacity.capacities(patient(), now=now)
    ]
    context = {
        "found": found,
        "heaviest": heaviest,
        "drawing": drawing(graph, found),
        "tiers": tiers,
        "now": now,
    }
    return render(request, "planning/planning.html", context)
