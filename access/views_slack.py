"""The administrators' page of who in Slack acts as whom."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from access import linking, selectors
from access.act import ReasonForm, first_error
from access.domain.roles import Role
from access.forms import SlackLinkForm
from access.permission import actor, requires


@requires(Role.ADMINISTRATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def links(request: HttpRequest) -> HttpResponse:
    """Who is linked, with the role that each has now. A POST links somebody."""
    form = SlackLinkForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            linking.link(**form.cleaned_data, by=actor(request), now=timezone.now())
        except linking.CannotLink as error:
            form.add_error(error.field, str(error))
        else:
            return redirect("slack-links")
    return render(request, "access/slack.html", {"form": form, "links": selectors.slack_links()})


@requires(Role.ADMINISTRATOR)
@require_POST
def unlink(request: HttpRequest, slack_id: str) -> HttpResponse:
    """End one link."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Nothing was changed: {first_error(form)}.")
    elif linking.unlink(
        slack_id=slack_id, reason=form.cleaned_data["reason"], by=actor(request), now=timezone.now()
    ):
        messages.success(request, f"{slack_id} is linked to nobody any more.")
    return redirect("slack-links")
