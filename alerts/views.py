"""Pages of incidents: the list, one with its timeline, and what people do about it."""

from datetime import datetime, timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from access.act import Act, ReasonForm, first_error
from access.domain.roles import Role
from access.permission import actor, requires
from alerts import selectors, services
from alerts.domain.silence import BadSilence
from alerts.domain.states import INCIDENT, WrongState
from alerts.forms import SilenceForm
from alerts.selectors import IncidentRow

STATES = tuple(INCIDENT)


@requires(Role.VIEWER)
@require_safe
def incidents(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """What happened lately, the newest first."""
    now = timezone.now()
    wanted = request.GET.get("state", "").upper()
    state = wanted if wanted in STATES else ""
    context = {
        "now": now,
        "state": state,
        "states": STATES,
        "incidents": selectors.incidents(state=state),
        "silences": selectors.silences(now=now),
    }
    return render(request, f"alerts/incidents.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def incident(request: HttpRequest, incident_id: int, fragment: str = "") -> HttpResponse:
    """One incident, in order, and what can be done about it now."""
    now, row = timezone.now(), _found(incident_id)
    context = {
        "now": now,
        "incident": row,
        "acts": _acts(row),
        "silenced": selectors.silenced(tier=row.tier, route=row.route, now=now),
    }
    return render(request, f"alerts/incident.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def export(request: HttpRequest, incident_id: int) -> HttpResponse:
    """The write-up as Markdown."""
    row = _found(incident_id)
    answer = render(
        request, "alerts/incident.md", {"incident": row}, content_type="text/markdown; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="incident-{row.id}.md"'
    return answer


@requires(Role.OPERATOR)
@require_POST
def acknowledge(request: HttpRequest, incident_id: int) -> HttpResponse:
    """I have it."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _back(request, incident_id, first_error(form))
    try:
        services.acknowledge(
            incident_id=incident_id, by=actor(request), reason=form.cleaned_data["reason"], now=timezone.now()
        )
    except (services.UnknownIncident, WrongState) as error:
        return _back(request, incident_id, str(error))
    return _back(request, incident_id)


@requires(Role.OPERATOR)
@require_POST
def resolve(request: HttpRequest, incident_id: int) -> HttpResponse:
    """It is over."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _back(request, incident_id, first_error(form))
    try:
        services.resolve(
            incident_id=incident_id, by=actor(request), reason=form.cleaned_data["reason"], now=timezone.now()
        )
    except (services.UnknownIncident, WrongState) as error:
        return _back(request, incident_id, str(error))
    return _back(request, incident_id)


@requires(Role.OPERATOR)
@require_POST
def silence(request: HttpRequest, incident_id: int) -> HttpResponse:
    """Tell nobody about this target for a while."""
    form, now = SilenceForm(request.POST), timezone.now()
    if not form.is_valid():
        return _back(request, incident_id, first_error(form))
    try:
        services.silence(
            incident_id=incident_id,
            until=_until(now, form),
            by=actor(request),
            reason=form.cleaned_data["reason"],
            now=now,
        )
    except (services.UnknownIncident, BadSilence) as error:
        return _back(request, incident_id, str(error))
    return _back(request, incident_id)


def _until(now: datetime, form: SilenceForm) -> datetime:
    return now + timedelta(minutes=form.cleaned_data["minutes"])


def _back(request: HttpRequest, incident_id: int, error: str = "") -> HttpResponse:
    if error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("incident", incident_id)


def _found(incident_id: int) -> IncidentRow:
    row = selectors.incident(incident_id)
    if row is None:
        raise Http404(f"There is no incident {incident_id}.")
    return row


def _acts(row: IncidentRow) -> list[Act]:
    """What the incident's state allows, straight from its table."""
    events = INCIDENT[row.state]
    acts = []
    if "acknowledge" in events:
        says = "Says that you have it. Nothing else changes: alerts go on, runbooks go on."
        acts.append(
            Act("acknowledge", "Acknowledge", reverse("incident-acknowledge", args=[row.id]), says=says)
        )
    if row.open:
        says = f"Sends nothing about {row.target} and starts no automatic run on it. Reverts go on."
        acts.append(
            Act("silence", "Silence", reverse("incident-silence", args=[row.id]), says=says, silence=True)
        )
    if "resolve" in events:
        says = "Closes the incident and its alerts. What goes on firing reopens it."
        acts.append(Act("resolve", "Resolve", reverse("incident-resolve", args=[row.id]), says=says))
    return acts
