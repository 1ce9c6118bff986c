"""What a person does with a run that is theirs: take it over, extend it, give it back."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from access.act import Act, ReasonForm, first_error
from access.domain.roles import Role
from access.permission import actor, requires
from runbooks import services
from runbooks.domain.states import RUN, WrongState
from runbooks.forms import ExtendForm
from runbooks.selectors import RunRow


@requires(Role.OPERATOR)
@require_POST
def take(request: HttpRequest, run_id: int) -> HttpResponse:
    """The machine moves it no more."""
    return _do(request, run_id, services.take, ReasonForm(request.POST))


@requires(Role.OPERATOR)
@require_POST
def give_back(request: HttpRequest, run_id: int) -> HttpResponse:
    """The machine goes on."""
    return _do(request, run_id, services.give_back, ReasonForm(request.POST))


@requires(Role.OPERATOR)
@require_POST
def extend(request: HttpRequest, run_id: int) -> HttpResponse:
    """Its overlays live on for so long from now."""
    return _do(request, run_id, services.extend, ExtendForm(request.POST))


def acts(row: RunRow) -> list[Act]:
    """What the run's state allows of this, straight from its table."""
    events, found = RUN[row.state], []
    if "take" in events:
        says = (
            "The machine moves it no more: its overlays stay until they expire, and you say what comes next."
        )
        found.append(Act("take", "Take over", reverse("run-take", args=[row.id]), says=says))
    if "give_back" in events:
        says = "The machine looks anew whether the remedy works, and goes on."
        found.append(Act("give-back", "Give back", reverse("run-give-back", args=[row.id]), says=says))
        says = "Its overlays end so long from now."
        url = reverse("run-extend", args=[row.id])
        found.append(Act("extend", "Change the end", url, says=says, silence=True))
    return found


def _do(request: HttpRequest, run_id: int, act: Any, form: ReasonForm) -> HttpResponse:
    if not form.is_valid():
        messages.error(request, f"Nothing was changed: {first_error(form)}.")
        return redirect("run", run_id)
    now, given = timezone.now(), dict(form.cleaned_data)
    if "minutes" in given:
        given["until"] = now + timedelta(minutes=given.pop("minutes"))
    try:
        act(run_id=run_id, by=actor(request), now=now, **given)
    except services.UnknownRun as error:
        raise Http404(str(error)) from error
    except (WrongState, services.TooLong) as error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("run", run_id)
