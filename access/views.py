"""Login's own pages: the account with its tokens, and the theme."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from access import selectors, services
from access.context import THEMES
from access.domain.roles import Role
from access.forms import TokenForm
from access.permission import actor, requires

YEAR_SECONDS = 365 * 24 * 3600


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise TypeError("the login middleware lets no anonymous request through")
    return request.user


@requires(Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Who am I here, and which tokens act for me? A POST makes a token and shows it this once."""
    user = _user(request)
    form = TokenForm(request.POST if request.method == "POST" else None)
    fresh = ""
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        fresh = services.issue_token(
            user=user, name=given["name"], only=given["only"], by=actor(request), now=timezone.now()
        )
        form = TokenForm()
    context = {"form": form, "fresh": fresh, "tokens": selectors.tokens(user), "roles": list(Role)}
    return render(request, "access/account.html", context)


@requires(Role.VIEWER)
@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """End one of my tokens."""
    user = _user(request)
    if services.revoke_token(user=user, token_id=token_id, by=actor(request), now=timezone.now()):
        messages.success(request, "The token no longer works.")
    return redirect("account")


@login_not_required
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen look in a cookie, so that the first paint is already right and needs no script."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = "/"
    answer = redirect(back)
    chosen = request.POST.get("theme", "auto")
    if chosen in THEMES:
        answer.set_cookie("theme", chosen, max_age=YEAR_SECONDS, samesite="Lax", httponly=True)
    return answer
