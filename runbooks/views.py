"""Pages of runs and runbooks."""

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

import alerts.selectors
from access.act import Act, Line, ReasonForm, difference, first_error
from access.domain.roles import Role
from access.permission import actor, requires
from runbooks import drilled, listed, performed, selectors, services, views_own, views_steps, views_taking
from runbooks.domain.states import RUN, WrongState
from runbooks.forms import ApproveForm, ModeForm, SwitchForm
from runbooks.selectors import RunRow
from runbooks.texts import UnknownRunbook


@requires(Role.VIEWER)
@require_safe
def runs(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """What the machine did lately, and how far it may go."""
    context = {
        "now": timezone.now(),
        "runs": selectors.runs(),
        "runbooks": listed.runbooks() if not fragment else [],
        "switch": selectors.kill_switch(),
    }
    return render(request, f"runbooks/runs.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def run(request: HttpRequest, run_id: int, fragment: str = "") -> HttpResponse:
    """What the machine did, why, and how to stop it."""
    row = _found(run_id)
    done = performed.acts(run_id)
    context = {
        "now": timezone.now(),
        "run": row,
        "acts": [*views_steps.acts(row, done), *_acts(row)],
        "change": _change(row),
        "performed": done,
    }
    return render(request, f"runbooks/run.html{fragment}", context)


@requires(Role.OPERATOR)
@require_POST
def approve(request: HttpRequest, run_id: int) -> HttpResponse:
    """Yes to exactly the plan that was shown."""
    form = ApproveForm(request.POST)
    if not form.is_valid():
        return _back(request, run_id, first_error(form))
    plan_hash, reason = form.cleaned_data["plan_hash"], form.cleaned_data["reason"]
    return _do(
        request,
        run_id,
        lambda: services.approve(
            run_id=run_id, plan_hash=plan_hash, by=actor(request), reason=reason, now=timezone.now()
        ),
    )


@requires(Role.OPERATOR)
@require_POST
def deny(request: HttpRequest, run_id: int) -> HttpResponse:
    """No."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _back(request, run_id, first_error(form))
    reason = form.cleaned_data["reason"]
    return _do(
        request,
        run_id,
        lambda: services.deny(run_id=run_id, by=actor(request), reason=reason, now=timezone.now()),
    )


@requires(Role.OPERATOR)
@require_POST
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """Stop, and take back what was done."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _back(request, run_id, first_error(form))
    reason = form.cleaned_data["reason"]
    return _do(
        request,
        run_id,
        lambda: services.cancel(run_id=run_id, by=actor(request), reason=reason, now=timezone.now()),
    )


@requires(Role.VIEWER)
@require_safe
def runbook(request: HttpRequest, slug: str) -> HttpResponse:
    """What to do about this; with `?incident=` the incident stays in view."""
    row = listed.runbook(slug)
    if row is None:
        raise Http404(f"There is no runbook {slug}.")
    wanted = request.GET.get("incident", "")
    incident = alerts.selectors.incident(int(wanted)) if wanted.isdecimal() else None
    now = timezone.now()
    context = {
        "now": now,
        "runbook": row,
        "drills": drilled.reports(runbook=slug, now=now),
        "incident": incident,
        "missing": wanted if wanted and incident is None else "",
        "run": next((run for run in row.runs if incident and run.incident_id == incident.id), None),
        "switch": selectors.kill_switch(),
        **views_own.definition(row),
    }
    return render(request, "runbooks/runbook.html", context)


@requires(Role.OWNER)
@require_POST
def set_mode(request: HttpRequest, slug: str) -> HttpResponse:
    """How far the machine may go by itself."""
    form = ModeForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Nothing was changed: {first_error(form)}")
        return redirect("runbook", slug)
    try:
        services.set_mode(runbook=slug, **form.cleaned_data, by=actor(request), now=timezone.now())
    except (UnknownRunbook, ValueError) as error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("runbook", slug)


@requires(Role.OPERATOR)
@require_POST
def set_switch(request: HttpRequest) -> HttpResponse:
    """Stop every runbook, or let them go on."""
    form = SwitchForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Nothing was changed: {first_error(form)}")
        return redirect("runs")
    services.set_kill_switch(**form.cleaned_data, by=actor(request), now=timezone.now())
    return redirect("runs")


def _do(request: HttpRequest, run_id: int, act: Callable[[], None]) -> HttpResponse:
    try:
        act()
    except services.UnknownRun as error:
        raise Http404(str(error)) from error
    except (WrongState, services.PlanChanged, services.ApprovalOver, services.AnotherPerson) as error:
        return _back(request, run_id, str(error))
    return _back(request, run_id)


def _back(request: HttpRequest, run_id: int, error: str = "") -> HttpResponse:
    if error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("run", run_id)


def _found(run_id: int) -> RunRow:
    row = selectors.run(run_id)
    if row is None:
        raise Http404(f"There is no run {run_id}.")
    return row


def _change(row: RunRow) -> list[Line]:
    return difference(row.plan.changes) if row.plan else []


def _acts(row: RunRow) -> list[Act]:
    """What the run's state allows, straight from its table."""
    events, acts = RUN[row.state], []
    if "approve" in events:
        url = reverse("run-approve", args=[row.id])
        says = "The symptom is confirmed once more, then exactly this is laid over the tier:"
        hidden = {"plan_hash": row.plan_hash}
        acts.append(Act("approve", "Approve", url, says=says, change=_change(row), hidden=hidden))
    if "deny" in events:
        url = reverse("run-deny", args=[row.id])
        acts.append(Act("deny", "Deny", url, says="The run ends; nothing is changed on the tier."))
    if row.can_cancel:
        url = reverse("run-cancel", args=[row.id])
        says = f"What it did is taken back at once: {row.plan.undo}" if row.acting and row.plan else ""
        says = says or "The run ends; it has changed nothing on the tier."
        label = "Cancel and revert" if row.acting else "Cancel"
        acts.append(Act("cancel", label, url, says=says, danger=True))
    return [*acts, *views_taking.acts(row)]
