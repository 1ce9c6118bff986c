"""Pages of planning."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from planning import selectors
from planning.domain.drawing import drawing


@requires(Role.VIEWER)
@require_safe
def planning(request: HttpRequest) -> HttpResponse:
    """What can retries make of one request, and which layers should stop retrying?"""
    now = timezone.now()
    graph, found = selectors.graph(), selectors.amplified(now=now)
    heaviest = max(found.loads, key=lambda load: load.worst, default=None)
    context = {"found": found, "heaviest": heaviest, "drawing": drawing(graph, found), "now": now}
    return render(request, "planning/planning.html", context)
