"""Pages of releases: the list, and one with its waves and what people do about all of it."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from access.act import Act, ReasonForm, first_error
from access.domain.roles import Role
from access.permission import actor, requires
from canary import listing, services
from canary import releases as selected
from canary.domain.errors import Refused, UnknownRelease
from canary.domain.states import WrongState
from canary.forms import ListForm
from canary.releases import ReleaseRow

WORDS = {
    "approve": ("Approve all that wait", "Each rollout that waits for an approval takes its next step."),
    "pause": (
        "Pause",
        "No further wave begins and each rollout stays where it is; a failing one still goes back.",
    ),
    "resume": ("Resume", "Each paused rollout goes on, and the next wave may begin."),
    "roll_back": ("Roll back all waves", "What lives is rolled back and what was promoted is undone."),
    "close": ("Close", "It ends as rolled back, though something could not be taken back."),
}
DANGEROUS = ("roll_back", "close")


@requires(Role.VIEWER)
@require_safe
def releases(request: HttpRequest) -> HttpResponse:
    """The newest first: a page of what the address asks for."""
    form = ListForm(request.GET, listing.RELEASE_STATES)
    found = listing.releases(text=form.asked("text"), state=form.asked("state"), page=form.number)
    return render(request, "canary/releases.html", {"now": timezone.now(), "form": form, "found": found})


@requires(Role.VIEWER)
@require_safe
def release(request: HttpRequest, release_id: int, fragment: str = "") -> HttpResponse:
    """Which wave is it at, what does each rollout do, what next?"""
    row = _found(release_id)
    context = {"now": timezone.now(), "release": row, "acts": [_act(row, verb) for verb in row.actions]}
    return render(request, f"canary/release.html{fragment}", context)


@requires(Role.OPERATOR)
@require_POST
def act(request: HttpRequest, release_id: int, action: str) -> HttpResponse:
    """One of a person's actions on all of a release."""
    if action not in WORDS:
        raise Http404("There is no such action.")
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _back(request, release_id, first_error(form))
    reason, by, now = form.cleaned_data["reason"], actor(request), timezone.now()
    try:
        if action == "approve":
            services.approve_release(release_id=release_id, by=by, reason=reason, now=now)
        else:
            services.act_on_release(release_id=release_id, event=action, by=by, reason=reason, now=now)
    except UnknownRelease as error:
        raise Http404(str(error)) from error
    except (WrongState, Refused) as error:
        return _back(request, release_id, str(error))
    return _back(request, release_id)


def _back(request: HttpRequest, release_id: int, error: str = "") -> HttpResponse:
    if error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("release", release_id)


def _found(release_id: int) -> ReleaseRow:
    try:
        return selected.release(release_id)
    except UnknownRelease as error:
        raise Http404(str(error)) from error


def _act(row: ReleaseRow, verb: str) -> Act:
    label, says = WORDS[verb]
    url = reverse("release-act", args=[row.id, verb])
    return Act(verb=verb, label=label, url=url, says=says, change=[], danger=verb in DANGEROUS)
