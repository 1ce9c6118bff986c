"""Pages of what budgets leave out: corrections, and maintenance windows."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from access.act import ReasonForm, first_error
from access.domain.roles import Role
from access.permission import actor, requires
from slo import exclusions, listing, services
from slo.domain.corrections import BadExclusion
from slo.exclusion_forms import CorrectionForm, MaintenanceForm, ScopeForm

ASKED = ("tier", "route", "objective")


@requires(Role.VIEWER)
@require_safe
def corrections(request: HttpRequest) -> HttpResponse:
    """What was left out of budgets, by whom and why?"""
    context = {"rows": exclusions.corrections(tier=request.GET.get("tier", "")), "now": timezone.now()}
    return render(request, "slo/corrections.html", context)


@requires(Role.OWNER)
@require_http_methods(["GET", "HEAD", "POST"])
def correct(request: HttpRequest) -> HttpResponse:
    """Leave a span of the past out."""
    form = CorrectionForm(request.POST or None, initial=_asked(request), tiers=listing.choices().tiers)
    if request.method == "POST" and form.is_valid():
        try:
            services.correct(
                scope=form.scope,
                span=form.span,
                by=actor(request),
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
        except BadExclusion as error:
            _refuse(form, error)
        else:
            messages.success(request, "It is left out. The figures follow within a minute or two.")
            return redirect("corrections")
    return render(request, "slo/correct.html", {"form": form})


@requires(Role.OWNER)
@require_POST
def uncorrect(request: HttpRequest, number: int) -> HttpResponse:
    """Count it again."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _back(request, "corrections", first_error(form))
    reason = form.cleaned_data["reason"]
    try:
        services.uncorrect(correction_id=number, by=actor(request), reason=reason, now=timezone.now())
    except services.UnknownExclusion as error:
        raise Http404(str(error)) from error
    except services.Settled as error:
        return _back(request, "corrections", str(error))
    return _back(request, "corrections")


@requires(Role.VIEWER)
@require_safe
def maintenance(request: HttpRequest) -> HttpResponse:
    """When is nobody told, of what, and why?"""
    now = timezone.now()
    context = {"rows": exclusions.windows(now=now, tier=request.GET.get("tier", "")), "now": now}
    return render(request, "slo/maintenance.html", context)


@requires(Role.OWNER)
@require_http_methods(["GET", "HEAD", "POST"])
def maintain(request: HttpRequest) -> HttpResponse:
    """Tell nobody for a while that is to come."""
    form = MaintenanceForm(request.POST or None, initial=_asked(request), tiers=listing.choices().tiers)
    if request.method == "POST" and form.is_valid():
        try:
            services.maintain(
                scope=form.scope,
                window=form.window,
                by=actor(request),
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
        except BadExclusion as error:
            _refuse(form, error)
        else:
            return redirect("maintenance")
    return render(request, "slo/maintain.html", {"form": form})


@requires(Role.OWNER)
@require_POST
def end_maintenance(request: HttpRequest, number: int) -> HttpResponse:
    """No such window any more."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _back(request, "maintenance", first_error(form))
    reason = form.cleaned_data["reason"]
    try:
        services.end_maintenance(maintenance_id=number, by=actor(request), reason=reason, now=timezone.now())
    except services.UnknownExclusion as error:
        raise Http404(str(error)) from error
    return _back(request, "maintenance")


def _asked(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in ASKED if name in request.GET}


def _refuse(form: ScopeForm, error: BadExclusion) -> None:
    form.add_error(error.field if error.field in form.fields else None, str(error))


def _back(request: HttpRequest, page: str, error: str = "") -> HttpResponse:
    if error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect(page)
