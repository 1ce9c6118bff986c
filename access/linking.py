"""Who in Slack acts as whom here. A link gives nothing of its own: the role is the user's, at each press."""

import re
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

import audit.services
from access.models import SlackUser
from audit.domain.actor import Actor

# As Slack's profiles show it ("Copy member ID"): U or W, then capitals and digits.
SLACK_ID = re.compile(r"[UW][A-Z0-9]{1,30}")


class CannotLink(Exception):
    """It was not linked; `field` is `slack_id` or `username`, the text says what to do."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


@transaction.atomic
def link(*, slack_id: str, username: str, by: Actor, reason: str, now: datetime) -> None:
    """From now on presses of this Slack user are those of `username`. Idempotent. Raises CannotLink."""
    if not SLACK_ID.fullmatch(slack_id):
        raise CannotLink("slack_id", f"{slack_id} is no member ID of Slack, such as U012AB3CD")
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CannotLink("username", f"there is no active user {username} here")
    made, created = SlackUser.objects.select_related("user").get_or_create(
        slack_id=slack_id, defaults={"user": user, "linked_at": now, "linked_by": by.name}
    )
    if made.user_id != user.pk:
        # Who pressed what stays true: a link is ended by somebody who means it.
        taken = made.user.get_username()
        raise CannotLink("slack_id", f"{slack_id} is linked to {taken}: end that link first")
    if created:
        _record("slack.linked", slack_id, username, by=by, reason=reason, now=now)


@transaction.atomic
def unlink(*, slack_id: str, by: Actor, reason: str, now: datetime) -> bool:
    """End a link: presses of this Slack user are refused from now on. False when there was none."""
    row = SlackUser.objects.select_for_update().filter(slack_id=slack_id).first()
    if row is None:
        return False
    username = row.user.get_username()
    row.delete()
    _record("slack.unlinked", slack_id, username, by=by, reason=reason, now=now)
    return True


def _record(action: str, slack_id: str, username: str, *, by: Actor, reason: str, now: datetime) -> None:
    audit.services.record(
        by=by,
        action=action,
        target=f"user/{username}",
        reason=reason,
        now=now,
        detail={"slack_id": slack_id},
    )
