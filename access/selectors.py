"""Reads people's roles, tokens and links to Slack."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

from access.domain.roles import Role, strongest
from access.models import ApiToken, SlackUser


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token as its owner's page lists it."""

    id: int
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    use: str


@dataclass(frozen=True, slots=True)
class SlackRow:
    """Who acts from Slack as whom; `role` is what that user has now, None for none."""

    id: int
    slack_id: str
    username: str
    role: Role | None
    linked_at: datetime
    linked_by: str


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
    return [
        TokenRow(t.pk, t.name, t.prefix, t.created_at, t.last_used_at, t.get_only_display()) for t in found
    ]


def slack_user(slack_id: str) -> User | None:
    """The user whom somebody in Slack is here; None when nobody has linked them."""
    return User.objects.filter(slack_users__slack_id=slack_id).first()


def slack_links() -> list[SlackRow]:
    """Everybody who is linked, by the name here. The number of queries does not grow with them."""
    found = SlackUser.objects.select_related("user").prefetch_related("user__groups")
    return [
        SlackRow(row.pk, row.slack_id, row.user.get_username(), _role(row.user), row.linked_at, row.linked_by)
        for row in found
    ]


def _role(user: User) -> Role | None:
    """As `role`, from groups that were fetched before."""
    if not user.is_active:
        return None
    return strongest((group.name for group in user.groups.all()), superuser=user.is_superuser)
