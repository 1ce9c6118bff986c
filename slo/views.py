"""Pages of objectives."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from slo import selectors


@requires(Role.VIEWER)
@require_safe
def objectives(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """What is promised, and how much of each budget is left."""
    context = {"now": timezone.now(), "objectives": selectors.objectives()}
    return render(request, f"slo/objectives.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def objective(request: HttpRequest, objective_id: int, fragment: str = "") -> HttpResponse:
    """How much budget is left, and when will it be gone?"""
    try:
        found = selectors.objective(objective_id)
    except selectors.UnknownObjective as error:
        raise Http404(str(error)) from error
    context = {"now": timezone.now(), "objective": found.row, "detail": found}
    return render(request, f"slo/objective.html{fragment}", context)
