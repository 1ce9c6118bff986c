"""Pages of objectives."""

from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from slo import listing, plots, selectors
from slo.background import background
from slo.costs import costs
from slo.forms import ObjectivesForm
from slo.history import history
from slo.marks import changes
from slo.selectors import ObjectiveDetail
from slo.sparks import sparks
from telemetry.charts import Chart
from telemetry.patience import patient, remembered

CHARTS = ("burn-down", "burn")
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
    """How much budget is left, when will it be gone, and what spent it?"""
    now, found = timezone.now(), _found(objective_id)
    seen = history(objective_id, now=now)
    context = {"now": now, "objective": found.row, "detail": found, "history": seen}
    if not fragment:
        behind = background(objective_id, now=now)
        context["behind"] = behind
        context["costs"] = costs(objective_id, behind, found.budget_promql, now=now)
        context["charts"] = [_chart(found, slug, now) for slug in CHARTS]
    return render(request, f"slo/objective.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def objective_chart(request: HttpRequest, objective_id: int, slug: str) -> HttpResponse:
    """One chart's data, for its script."""
    if slug not in CHARTS:
        raise Http404("There is no such chart.")
    return JsonResponse(_chart(_found(objective_id), slug, timezone.now()).payload)


def _chart(found: ObjectiveDetail, slug: str, now: datetime) -> Chart:
    """Asked at most once in two seconds."""
    draw = {"burn-down": _burn_down, "burn": _burn}[slug]
    drawn = remembered(f"objective/{found.row.id}/{slug}", lambda: draw(found, now))
    return drawn.at_url(reverse("objective-chart", args=[found.row.id, slug]))


def _burn_down(found: ObjectiveDetail, now: datetime) -> Chart:
    row = found.row
    seen = history(row.id, now=now)
    young = plots.hours(row.id, row.target, since=max(seen.start, now - plots.YOUNG))
    marked = changes(row.tier, row.route or None, since=now - plots.YOUNG)
    return plots.burn_down(seen, row, young, found.budget_promql, marks=marked, now=now)


def _burn(found: ObjectiveDetail, now: datetime) -> Chart:
    marked = changes(found.row.tier, found.row.route or None, since=now - plots.BURN_SPAN)
    return plots.burn(patient(), found.burns_promql, found.tiers, marks=marked, now=now)


def _found(objective_id: int) -> ObjectiveDetail:
    try:
        return selectors.objective(objective_id)
    except selectors.UnknownObjective as error:
        raise Http404(str(error)) from error
