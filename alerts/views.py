"""Pages of incidents: the list, one with its timeline, and what people do about it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from access.act import Act, ReasonForm, first_error
from access.domain.roles import Role
from access.permission import actor, requires
from alerts import listing, receivers, selectors, services
from alerts.domain.silence import LONGEST, BadSilence
from alerts.domain.states import INCIDENT, OUTBOX, WrongState
from alerts.forms import IncidentsForm, SilenceForm
from alerts.outbox import UnknownMessage
from alerts.rows import IncidentRow, SilenceRow

Form = TypeVar("Form", bound=ReasonForm)
# Lines of the timeline; the write-up has all of them.
SHOWN = 200
REFUSED = (services.UnknownIncident, services.UnknownSilence, UnknownMessage, WrongState, BadSilence)


@requires(Role.VIEWER)
@require_safe
def incidents(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """What happened lately, the newest first: a page of what the address asks for."""
    now = timezone.now()
    form = IncidentsForm(request.GET, listing.tiers())
    first = (form.number - 1) * listing.PAGE
    found = listing.listed(form.wanted, offset=first)
    context = {
        "now": now,
        "form": form,
        "found": found,
        "page": form.number,
        "pages": max(1, -(-found.total // listing.PAGE)),
        "first": first + 1,
        "last": first + len(found.rows),
        "silences": selectors.silences(now=now),
        "problem": receivers.declared().problem,
    }
    return render(request, f"alerts/incidents.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def incident(request: HttpRequest, incident_id: int, fragment: str = "") -> HttpResponse:
    """One incident, in order, and what can be done about it now."""
    now, row = timezone.now(), _found(incident_id, newest=SHOWN + 1)
    quiet = selectors.silences_over(row, now=now)
    declared = receivers.declared()
    context = {
        "now": now,
        "incident": row,
        "timeline": row.timeline[-SHOWN:],
        "more": len(row.timeline) > SHOWN,
        "acts": _acts(row, quiet, now),
        "silences": quiet,
        "explained": selectors.explained(row.id),
        "upcoming": selectors.upcoming(row.id),
        "escalates": bool(declared.escalation),
        "problem": declared.problem,
        "stuck": {message.id for message in row.messages if "resend" in OUTBOX[message.state]},
    }
    return render(request, f"alerts/incident.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def export(request: HttpRequest, incident_id: int) -> HttpResponse:
    """The write-up as Markdown."""
    row = _found(incident_id)
    answer = render(
        request,
        "alerts/incident.md",
        {"incident": row, "explained": selectors.explained(row.id)},
        content_type="text/markdown; charset=utf-8",
    )
    answer["Content-Disposition"] = f'attachment; filename="incident-{row.id}.md"'
    return answer


@requires(Role.OPERATOR)
@require_POST
def acknowledge(request: HttpRequest, incident_id: int) -> HttpResponse:
    """I have it."""

    def act(form: ReasonForm) -> None:
        services.acknowledge(incident_id=incident_id, **_who(request, form))

    return _done(request, incident_id, ReasonForm(request.POST), act)


@requires(Role.OPERATOR)
@require_POST
def resolve(request: HttpRequest, incident_id: int) -> HttpResponse:
    """It is over."""

    def act(form: ReasonForm) -> None:
        services.resolve(incident_id=incident_id, **_who(request, form))

    return _done(request, incident_id, ReasonForm(request.POST), act)


@requires(Role.OPERATOR)
@require_POST
def silence(request: HttpRequest, incident_id: int) -> HttpResponse:
    """Tell nobody about this target for a while."""

    def act(form: SilenceForm) -> None:
        who = _who(request, form)
        services.silence(incident_id=incident_id, until=form.end(who["now"]), **who)

    return _done(request, incident_id, SilenceForm(request.POST), act)


@requires(Role.OPERATOR)
@require_POST
def unsilence(request: HttpRequest, incident_id: int, silence_id: int) -> HttpResponse:
    """Tell of it again from now on."""

    def act(form: ReasonForm) -> None:
        services.unsilence(silence_id=silence_id, **_who(request, form))

    return _done(request, incident_id, ReasonForm(request.POST), act)


@requires(Role.OPERATOR)
@require_POST
def resend(request: HttpRequest, incident_id: int, message_id: int) -> HttpResponse:
    """Send again what did not arrive, or may not have."""

    def act(form: ReasonForm) -> None:
        services.resend(outbox_id=message_id, **_who(request, form))

    return _done(request, incident_id, ReasonForm(request.POST), act)


def _who(request: HttpRequest, form: ReasonForm) -> dict[str, Any]:
    return {"by": actor(request), "reason": form.cleaned_data["reason"], "now": timezone.now()}


def _done(request: HttpRequest, incident_id: int, form: Form, act: Callable[[Form], None]) -> HttpResponse:
    """Back to the page, which says what came of it."""
    if not form.is_valid():
        return _back(request, incident_id, first_error(form))
    try:
        act(form)
    except REFUSED as error:
        return _back(request, incident_id, str(error))
    return _back(request, incident_id)


def _back(request: HttpRequest, incident_id: int, error: str = "") -> HttpResponse:
    if error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("incident", incident_id)


def _found(incident_id: int, *, newest: int | None = None) -> IncidentRow:
    row = selectors.incident(incident_id, newest=newest)
    if row is None:
        raise Http404(f"There is no incident {incident_id}.")
    return row


def _acts(row: IncidentRow, quiet: list[SilenceRow], now: datetime) -> list[Act]:
    """What the incident's state allows, straight from its table."""
    events = INCIDENT[row.state]
    acts = []
    if "acknowledge" in events:
        says = "Says that you have it: nobody else is called. Alerts go on, runbooks go on."
        acts.append(_act(row, "acknowledge", "Acknowledge", says))
    if row.open and not quiet:
        says = f"Sends nothing about {row.target} and starts no automatic run on it. Reverts go on."
        latest = f"{now + LONGEST:%Y-%m-%dT%H:%M}"
        acts.append(_act(row, "silence", "Silence", says, silence=True, latest=latest))
    acts += [_unsilence(row, one) for one in quiet]
    if "resolve" in events:
        says = "Closes the incident and its alerts. What goes on firing reopens it."
        acts.append(_act(row, "resolve", "Resolve", says))
    return acts


def _act(row: IncidentRow, verb: str, label: str, says: str, **more: Any) -> Act:
    return Act(verb, label, reverse(f"incident-{verb}", args=[row.id]), says=says, **more)


def _unsilence(row: IncidentRow, one: SilenceRow) -> Act:
    says = f"Ends the silence of {one.by} over {one.target}: what is still open is told again."
    url = reverse("incident-unsilence", args=[row.id, one.id])
    return Act(f"unsilence-{one.id}", "End the silence", url, says=says)
