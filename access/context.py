"""What every page's template knows about the person who reads it."""

from typing import Any

from django.http import HttpRequest

from access.domain.roles import Role
from access.permission import role_of

THEMES = ("auto", "light", "dark")


def person(request: HttpRequest) -> dict[str, Any]:
    """`role`, the chosen `theme`, and for buttons `may_operate`, `may_own`, `may_administer`: views check."""
    role = role_of(request) if hasattr(request, "user") else None
    theme = request.COOKIES.get("theme", "auto")
    return {
        "role": role,
        "may_operate": role is not None and role >= Role.OPERATOR,
        "may_own": role is not None and role >= Role.OWNER,
        "may_administer": role is not None and role >= Role.ADMINISTRATOR,
        "theme": theme if theme in THEMES else "auto",
    }
