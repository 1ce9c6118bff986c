"""What the page of a runbook shows of its definition, and what people do to a team's own."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from access.act import Act, ReasonForm, first_error
from access.domain.roles import Role
from access.permission import actor, requires
from runbooks import listed, services, shelf
from runbooks.listed import RunbookRow
from runbooks.texts import UnknownRunbook


def definition(row: RunbookRow) -> dict[str, Any]:
    """What the page shows of the machine's part, and of a team's own of its versions."""
    own = shelf.latest(row.slug) if row.version is not None else None
    tier = next((mode.tier for mode in row.modes), "")
    return {
        "own": own,
        "queries": listed.queries(row.slug, tier),
        "front": row.raw.removeprefix("---\n").partition("\n---\n")[0] if row.automated else "",
        "act_delete": _delete(row.slug) if own else None,
    }


def _delete(slug: str) -> Act:
    says = "It watches nothing any more; its versions stay to be read. Declared again, it begins at observe."
    return Act("delete", "Delete", reverse("runbook-delete", args=[slug]), says=says, danger=True)


@requires(Role.VIEWER)
@require_safe
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """Every version of a team's own runbook, with what it changed: also of one that is deleted."""
    rows = shelf.history(slug)
    if not rows:
        raise Http404(f"There is no runbook {slug} of a team's own.")
    context = {"now": timezone.now(), "slug": slug, "newest": rows[0], "versions": shelf.changes(rows)}
    return render(request, "runbooks/history.html", context)


@requires(Role.OWNER)
@require_POST
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Take it away; its versions stay to be read."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Nothing was changed: {first_error(form)}")
        return redirect("runbook", slug)
    try:
        services.delete(slug=slug, by=actor(request), reason=form.cleaned_data["reason"], now=timezone.now())
    except UnknownRunbook as error:
        raise Http404(str(error)) from error
    except (services.BuiltIn, services.InUse) as error:
        messages.error(request, f"Nothing was changed: {error}.")
        return redirect("runbook", slug)
    return redirect("runbook-history", slug)
