"""Gives and takes roles and API tokens."""

from datetime import datetime, timedelta

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Q

import audit.services
from access.domain import secret
from access.domain.roles import Role
from access.models import ApiToken
from audit.domain.actor import Actor

# `last_used_at` is for people; writing it on each request would make every read of the API a write.
USE_RESOLUTION = timedelta(minutes=1)


def ensure_groups() -> None:
    """Make one Django group per role, so that the admin site can offer them."""
    for role in Role:
        Group.objects.get_or_create(name=role.label)


@transaction.atomic
def grant(*, user: User, role: Role, by: Actor, reason: str, now: datetime) -> None:
    """Give the user this role in place of the one before."""
    ensure_groups()
    user.groups.remove(*Group.objects.filter(name__in=[r.label for r in Role]))
    user.groups.add(Group.objects.get(name=role.label))
    audit.services.record(
        by=by,
        action="role.granted",
        target=f"user/{user.get_username()}",
        reason=reason,
        now=now,
        detail={"role": role.label},
    )


@transaction.atomic
def issue_token(*, user: User, name: str, by: Actor, now: datetime, only: str = "") -> str:
    """A new token for the user, for everything or `only` for one use (`ApiToken.Use`).

    The text that is returned is shown once and kept nowhere.
    """
    token = secret.new()
    shown, digest = secret.shown(token), secret.digest(token)
    ApiToken.objects.create(user=user, name=name, prefix=shown, digest=digest, only=only, created_at=now)
    audit.services.record(
        by=by,
        action="token.issued",
        target=f"user/{user.get_username()}",
        reason=name,
        now=now,
        detail={"prefix": shown, **({"only": only} if only else {})},
    )
    return token


@transaction.atomic
def revoke_token(*, user: User, token_id: int, by: Actor, now: datetime) -> bool:
    """End one of the user's tokens; False when there was none to end."""
    ended = ApiToken.objects.filter(pk=token_id, user=user, revoked_at=None).update(revoked_at=now)
    if ended:
        audit.services.record(
            by=by,
            action="token.revoked",
            target=f"user/{user.get_username()}",
            reason="",
            now=now,
            detail={"token": token_id},
        )
    return bool(ended)


def authenticate(*, token: str, now: datetime, use: str = "") -> User | None:
    """The active user whom a token acts for, or None. Moves the token's time of last use.

    A token that is for one use alone works for that `use` alone.
    """
    found = (
        ApiToken.objects.select_related("user")
        .filter(digest=secret.digest(token), revoked_at=None, user__is_active=True, only__in=("", use))
        .first()
    )
    if found is None:
        return None
    unused = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_RESOLUTION)
    if found.last_used_at is None or found.last_used_at < now - USE_RESOLUTION:
        ApiToken.objects.filter(unused, pk=found.pk).update(last_used_at=now)
    return found.user
