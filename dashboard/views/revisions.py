"""The pages of a tier's revisions: what was published, what lies between two, and the way back."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from access.act import Act, difference, first_error
from access.domain.roles import Role
from access.permission import actor, requires, role_of
from dashboard.forms import BetweenForm, RevertForm
from proxy import revisions as published
from proxy import selectors as proxy
from proxy import services, validation
from proxy.domain.errors import Invalid, Overtaken, UnknownRevision, UnknownTier
from proxy.selectors import TierRow

CHANGES_SHOWN = 200


@requires(Role.VIEWER)
@require_safe
def revisions(request: HttpRequest, name: str) -> HttpResponse:
    """Who published what and why, and what lies between two of them?"""
    tier = _found(name)
    rows = published.revisions(name)
    form = BetweenForm(request.GET)
    before, after = form.asked(newest=tier.revision)
    context = {
        "tier": tier,
        "now": timezone.now(),
        "rows": rows,
        "before": before,
        "after": after,
        **_difference(name, before, after),
    }
    if after == tier.revision and 0 < before < after:
        context["act"] = _back_to(request, tier, before)
    return render(request, "dashboard/revisions.html", context)


@requires(Role.OWNER)
@require_POST
def revert(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Publish an earlier revision anew, unless another was published since the page was made."""
    form = RevertForm(request.POST)
    page = redirect("tier-revisions", name)
    if not form.is_valid():
        messages.error(request, f"Nothing was changed: {first_error(form)}.")
        return page
    try:
        applied = services.revert(
            tier=name,
            number=number,
            by=actor(request),
            reason=form.cleaned_data["reason"],
            now=timezone.now(),
            made_from=form.cleaned_data["base"],
            gate=validation.check_with_envoy,
        )
    except (UnknownTier, UnknownRevision) as error:
        raise Http404(str(error)) from error
    except Overtaken as error:
        since = f"{reverse('tier-revisions', args=[name])}?before={error.made_from}&after={error.newest}"
        messages.error(request, f"Nothing was changed: {error}.")
        return redirect(since)
    except Invalid as error:
        messages.error(request, f"Nothing was changed: {error}.")
        return page
    if applied.revision is None:
        messages.info(request, f"Revision {number} is what is published: nothing was changed.")
    return page


def _difference(tier: str, before: int, after: int) -> dict[str, object]:
    try:
        found = [str(change) for change in published.changes(tier, before, after)]
    except UnknownRevision as error:
        raise Http404(str(error)) from error
    except Invalid as error:
        return {"trouble": str(error)}
    return {"change": difference(found[:CHANGES_SHOWN]), "more": max(0, len(found) - CHANGES_SHOWN)}


def _back_to(request: HttpRequest, tier: TierRow, number: int) -> Act | None:
    """With the exact change, which is the shown one the other way round."""
    held = role_of(request)
    if held is None or held < Role.OWNER:
        return None
    try:
        found = [str(change) for change in published.changes(tier.name, tier.revision, number)]
    except Invalid:
        return None
    return Act(
        verb="revert",
        label=f"Go back to revision {number}",
        url=reverse("tier-revert", args=[tier.name, number]),
        says=f"Revision {number} is published anew as revision {tier.revision + 1}, by the same checks.",
        change=difference(found[:CHANGES_SHOWN]),
        hidden={"base": str(tier.revision)},
        danger=True,
    )


def _found(name: str) -> TierRow:
    try:
        return proxy.tier(name)
    except UnknownTier as error:
        raise Http404(str(error)) from error
