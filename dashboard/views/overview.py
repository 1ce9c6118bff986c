"""The overview."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires


@requires(Role.VIEWER)
@require_safe
def overview(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """Is something wrong, whose is it, and is a machine already acting?"""
    return render(request, f"dashboard/overview.html{fragment}", {})
