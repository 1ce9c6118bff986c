"""The lab's page: break a backend, and read what the Slack-shaped receiver got."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

import audit.services
from access.act import first_error
from access.domain.roles import Role
from access.permission import actor, requires
from alerts import selectors as alerts
from dashboard import lab
from dashboard.forms import PRESETS, FaultForm
from proxy import selectors as proxy


@requires(Role.VIEWER)
@require_safe
def lab_page(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """What is broken now, and what was said about it."""
    faults, trouble = {}, ""
    try:
        faults = lab.control().faults()
    except (lab.LabUnreachable, lab.NoLab, lab.Refused) as error:
        trouble = str(error)
    context = {
        "now": timezone.now(),
        "lab": bool(settings.LAB_URL),
        "faults": faults,
        "presets": PRESETS,
        "groups": _groups(),
        "trouble": trouble,
        **_messages(),
        "outbox": alerts.outbox_state(),
    }
    return render(request, f"dashboard/lab.html{fragment}", context)


def _groups() -> list[str]:
    """Upstreams of several backends, which can be broken at once."""
    bases = [proxy.base(tier.name) for tier in proxy.tiers()]
    return [upstream.name for base in bases for upstream in base.upstreams if len(upstream.endpoints) > 1]


def _messages() -> dict[str, Any]:
    """What arrived at the receiver; without one, for a Slack of your own, nothing is read back."""
    try:
        return {"received": lab.received(), "deaf": ""}
    except (lab.LabUnreachable, lab.NoLab) as error:
        return {"received": [], "deaf": str(error)}


@requires(Role.OPERATOR)
@require_POST
def set_fault(request: HttpRequest) -> HttpResponse:
    """Break one backend, or heal it."""
    if not settings.LAB_URL:
        raise Http404("This Sluice runs no lab.")
    form = FaultForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Nothing was changed: {first_error(form)}")
        return redirect("lab")
    fault = form.fault()
    try:
        lab.control().set(fault)
    except (lab.LabUnreachable, lab.Refused) as error:
        messages.error(request, f"Nothing was changed: {error}")
        return redirect("lab")
    audit.services.record(
        by=actor(request),
        action="lab.fault_set",
        target=f"lab/{fault['backend']}",
        reason="lab page",
        now=timezone.now(),
        detail=fault,
    )
    return redirect("lab")
