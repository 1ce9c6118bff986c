"""People with roles, and their tokens, for tests of pages and API."""

from datetime import UTC, datetime

from django.contrib.auth.models import User

from access import services
from access.domain.roles import Role
from audit.domain.actor import Actor

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BY = Actor("tests", "cli")
PASSWORD = "a-password-of-tests"


def person(role: Role | None, name: str = "", *, password: str | None = None) -> User:
    """A user with a role, or with none. Without a password, since making one takes most of a second."""
    user = User.objects.create_user(name or (role.label if role else "nobody"), password=password)
    if role is not None:
        services.grant(user=user, role=role, by=BY, reason="a test", now=NOW)
    return user


def token(role: Role | None) -> str:
    """A token of a user with that role."""
    return services.issue_token(user=person(role), name="test", by=BY, now=NOW)


def bearer(role: Role | None) -> dict[str, str]:
    """The header, as Django's test client takes it."""
    return {"Authorization": f"Bearer {token(role)}"}
