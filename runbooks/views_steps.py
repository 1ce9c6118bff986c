"""What a person says on a run's page: yes or no to its question, what became of a call nobody knows of."""

from collections.abc import Callable, Iterable, Iterator

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from access.act import Act, first_error
from access.domain.roles import Role
from access.permission import actor, requires
from runbooks import services
from runbooks.domain.states import WrongState
from runbooks.forms import AnswerForm, SettleForm
from runbooks.performed import ActRow
from runbooks.selectors import RunRow


@requires(Role.OPERATOR)
@require_POST
def answer(request: HttpRequest, run_id: int) -> HttpResponse:
    """Yes or no to the question of a step."""
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _back(request, run_id, first_error(form))
    given = form.cleaned_data
    return _do(
        request,
        run_id,
        lambda: services.answer(
            run_id=run_id,
            place=given["place"],
            yes=given["answer"] == "yes",
            by=actor(request),
            reason=given["reason"],
            now=timezone.now(),
        ),
    )


@requires(Role.OPERATOR)
@require_POST
def settle(request: HttpRequest, run_id: int) -> HttpResponse:
    """What became of a call."""
    form = SettleForm(request.POST)
    if not form.is_valid():
        return _back(request, run_id, first_error(form))
    given = form.cleaned_data
    return _do(
        request,
        run_id,
        lambda: services.settle(run_id=run_id, **given, by=actor(request), now=timezone.now()),
    )


def acts(row: RunRow, performed: Iterable[ActRow]) -> Iterator[Act]:
    """What there is to answer."""
    url = reverse("run-answer", args=[row.id])
    for act in performed:
        if act.question:
            for word in ("yes", "no"):
                hidden = {"place": str(act.place), "answer": word}
                yield Act(f"{word}-{act.place}", word.capitalize(), url, says=act.question, hidden=hidden)
        if act.unknown:
            yield from _settles(row, act)


def _settles(row: RunRow, act: ActRow) -> Iterator[Act]:
    says = f"Nobody knows what became of it: {act.words}. Ask the service that was called, then say."
    for became, label in (("happened", "It happened"), ("not_happened", "It did not happen")):
        hidden = {"place": str(act.place), "phase": act.phase, "became": became}
        verb = f"{became}-{act.phase}-{act.place}".replace("_", "-")
        yield Act(verb, label, reverse("run-settle", args=[row.id]), says=says, hidden=hidden)


def _do(request: HttpRequest, run_id: int, act: Callable[[], None]) -> HttpResponse:
    try:
        act()
    except services.UnknownRun as error:
        raise Http404(str(error)) from error
    except (WrongState, services.NothingAsked) as error:
        return _back(request, run_id, str(error))
    return _back(request, run_id)


def _back(request: HttpRequest, run_id: int, error: str = "") -> HttpResponse:
    if error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("run", run_id)
