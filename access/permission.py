"""Who may call what: one decorator for pages, one authenticator for the API. Both deny by default."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from ninja.security import HttpBearer

from access import selectors, services
from access.domain.roles import Role
from access.problem import Problem
from audit.domain.actor import Actor


class ApiRequest(HttpRequest):
    """A request of the API that passed its authenticator."""

    auth: Actor


P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def role_of(request: HttpRequest) -> Role | None:
    """The role of the person behind the request, asked once a request."""
    if not hasattr(request, "sluice_role"):
        request.sluice_role = selectors.role(request.user)  # type: ignore[attr-defined]  # kept on the request
    found: Role | None = request.sluice_role  # type: ignore[attr-defined]  # set just above
    return found


def actor(request: HttpRequest) -> Actor:
    """The person behind a page's request."""
    return Actor(name=request.user.get_username(), source="web")


def requires(role: Role) -> Callable[[View[P]], View[P]]:
    """Only people with at least this role see the page; others get a page that says which role it takes."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            held = role_of(request)
            if held is None or held < role:
                context = {"needed": role, "held": held}
                return render(request, "access/forbidden.html", context, status=HTTPStatus.FORBIDDEN)
            return view(request, *args, **kwargs)

        guarded.needed_role = role  # type: ignore[attr-defined]  # a test reads it: no view goes without
        return cast(View[P], guarded)

    return decorate


class Bearer(HttpBearer):
    """`Authorization: Bearer` with at least this role; sets `request.auth` to the Actor.

    `use` is what a token may be limited to and still call this.
    """

    def __init__(self, role: Role, use: str = "") -> None:
        super().__init__()
        self.role = role
        self.use = use

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        user = services.authenticate(token=token, now=timezone.now(), use=self.use)
        if user is None:
            return None
        self._check(user)
        return Actor(name=user.get_username(), source="api")

    def _check(self, user: User) -> None:
        held = selectors.role(user)
        if held is None or held < self.role:
            has = held.label if held else "no role"
            detail = f"This takes the role {self.role.label}; the token's user has {has}."
            raise Problem(HTTPStatus.FORBIDDEN, detail)


reads = Bearer(Role.VIEWER)
operates = Bearer(Role.OPERATOR)
owns = Bearer(Role.OWNER)
signals = Bearer(Role.OPERATOR, use="alerts")
