"""Reads people's roles and tokens."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

from access.domain.roles import Role, strongest
from access.models import ApiToken


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token as its owner's page lists it."""

    id: int
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None


def role(user: AbstractBaseUser | AnonymousUser) -> Role | None:
    """The user's strongest role; None for an anonymous, inactive or role-less user. One query."""
    if not isinstance(user, User) or not user.is_active:
        return None
    if user.is_superuser:
        return Role.ADMINISTRATOR
    return strongest(user.groups.values_list("name", flat=True))


def tokens(user: User) -> list[TokenRow]:
    """The user's tokens that still work, the newest first."""
    found = ApiToken.objects.filter(user=user, revoked_at=None)
    return [TokenRow(t.pk, t.name, t.prefix, t.created_at, t.last_used_at) for t in found]
