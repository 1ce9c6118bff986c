"""Pages of what a rollout was decided by: judged again, and all of it as a file."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from canary import exports, replays
from canary.domain.errors import NothingKept, UnknownRollout


@requires(Role.VIEWER)
@require_safe
def replay(request: HttpRequest, rollout_id: int) -> HttpResponse:
    """The newest ticks, judged again while one waits."""
    try:
        found = replays.replay(rollout_id, newest=replays.NEWEST)
    except UnknownRollout as error:
        raise Http404(str(error)) from error
    except NothingKept as error:
        return render(request, "canary/replay.html", {"number": rollout_id, "nothing": error.why})
    return render(request, "canary/replay.html", {"number": rollout_id, "replay": found})


@requires(Role.VIEWER)
@require_safe
def export(request: HttpRequest, rollout_id: int) -> HttpResponse:
    """Everything of the rollout, as the API gives it."""
    try:
        answer = JsonResponse(exports.export(rollout_id), json_dumps_params={"indent": 1})
    except UnknownRollout as error:
        raise Http404(str(error)) from error
    answer["Content-Disposition"] = content_disposition_header(True, f"rollout-{rollout_id}.json")
    return answer
