"""Pages of objectives."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from slo import listing, selectors
from slo.forms import ObjectivesForm
from slo.sparks import sparks

TOLD_BY = ("tier", "sli", "route", "upstream", "target", "period")


@requires(Role.VIEWER)
@require_safe
def objectives(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """What is promised, and how much of each budget is left? A page of what the address asks for."""
    form = ObjectivesForm(request.GET, listing.choices())
    first = (form.page_number - 1) * listing.PAGE
    found = listing.listed(form.wanted, offset=first)
    now = timezone.now()
    context = {
        "now": now,
        "form": form,
        "found": found,
        "sparks": sparks(found.rows, now=now),
        "page": form.page_number,
        "pages": max(1, -(-found.total // listing.PAGE)),
        "first": first + 1,
        "last": first + len(found.rows),
    }
    return render(request, f"slo/objectives.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def told_of(request: HttpRequest) -> HttpResponse:
    """From an alert of Prometheus, by its labels, to its objective, or to that one's runbook."""
    labels = {label: request.GET.get(label, "") for label in TOLD_BY}
    try:
        found = selectors.told_of(**labels)
    except selectors.UnknownObjective as error:
        raise Http404(str(error)) from error
    if request.GET.get("to") == "runbook" and found.runbook:
        return redirect("runbook", found.runbook)
    return redirect("objective", found.id)


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
