"""Starting a runbook by hand: first its plan, which changes nothing, then the start of exactly that."""

from datetime import timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from access.act import difference, first_error
from access.domain.roles import Role
from access.permission import actor, requires
from proxy.domain.errors import ProxyError
from runbooks import services, texts
from runbooks.forms import RehearsalForm, StartForm, TargetForm
from telemetry import ports
from telemetry.domain.errors import MetricsError
from telemetry.patience import patient


@requires(Role.VIEWER)
@require_safe
def plan(request: HttpRequest, slug: str) -> HttpResponse:
    """What starting the runbook on a target would do. Reads only."""
    form = TargetForm(request.GET)
    if not form.is_valid():
        messages.error(request, f"Nothing was looked at: {first_error(form)}.")
        return redirect("runbook", slug)
    target = form.cleaned_data
    try:
        found = services.dry_run(runbook=slug, **target, metrics=patient(), now=timezone.now())
    except texts.UnknownRunbook as error:
        raise Http404(str(error)) from error
    except (ProxyError, services.CannotStart) as error:
        messages.error(request, f"It cannot be started: {error}.")
        return redirect("runbook", slug)
    context = {
        "now": timezone.now(),
        "runbook": texts.text(slug),
        "target": target,
        "dry": found,
        "change": difference(found.plan.changes),
    }
    return render(request, "runbooks/start.html", context)


@requires(Role.OPERATOR)
@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Begin the run with exactly the plan that was shown."""
    form = StartForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Nothing was started: {first_error(form)}.")
        return redirect("runbook", slug)
    try:
        number = services.start(
            runbook=slug, **form.cleaned_data, metrics=patient(), by=actor(request), now=timezone.now()
        )
    except texts.UnknownRunbook as error:
        raise Http404(str(error)) from error
    except (ProxyError, services.CannotStart, services.PlanChanged) as error:
        messages.error(request, f"Nothing was started: {error}.")
        return redirect("runbook", slug)
    return redirect("run", number)


@requires(Role.OPERATOR)
@require_safe
def rehearse(request: HttpRequest, slug: str) -> HttpResponse:
    """What the runbook would have done over the last hours. Reads only."""
    form, now = RehearsalForm(request.GET), timezone.now()
    if not form.is_valid():
        messages.error(request, f"Nothing was rehearsed: {first_error(form)}.")
        return redirect("runbook", slug)
    tier, start = form.cleaned_data["tier"], now - timedelta(hours=form.cleaned_data["hours"])
    try:
        found = services.rehearse(
            runbook=slug, tier=tier, start=start, end=now, metrics=ports.from_settings()
        )
    except texts.UnknownRunbook as error:
        raise Http404(str(error)) from error
    except (ProxyError, services.CannotStart, MetricsError) as error:
        messages.error(request, f"Nothing was rehearsed: {error}.")
        return redirect("runbook", slug)
    context = {"now": now, "runbook": texts.text(slug), "tier": tier, "found": found}
    return render(request, "runbooks/rehearse.html", context)
