"""A press of a button, however it came: once, by a linked user, with the role, in one short transaction.

Slack shows an error to whoever gets no answer in 3 s. So nothing here asks anybody but the database, no wait
for a lock is longer than PATIENCE, and what the person is told is a row of the outbox.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

import access.selectors
from access.domain.roles import Role
from alerts import actions, offering, outbox
from alerts.actions import Action, NotDone, Press, StillOpen
from alerts.domain.interaction import Interaction
from alerts.models import SeenRequest
from audit.domain.actor import Actor

# The half of it: the other half is for the way there and back.
PATIENCE = timedelta(seconds=1.5)
# A signature holds for 5 minutes around the time that it names, which may be as far ahead: then it is stale.
SEEN_FOR = timedelta(minutes=15)

log = logging.getLogger(__name__)


class Replayed(Exception):
    """This very request was taken before; nothing was done for it now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a press: whether anything was done, and what the person is told."""

    done: bool
    words: str


def receive(interaction: Interaction, *, seen: str, now: datetime, patience: timedelta = PATIENCE) -> Outcome:
    """Do what the button says, if this person may. `seen` names the request: it is taken once.

    `patience` is the longest wait for a lock. Raises Replayed, and OperationalError where the database does
    not answer in time; then nothing was done.
    """
    with _impatient(patience), transaction.atomic(durable=True):
        _cut_statements(patience)
        _once(seen, now)
        outcome = _answer(interaction, now)
        if interaction.answer_to:
            outbox.whisper(
                key=f"whisper/{seen}", text=outcome.words, answer_to=interaction.answer_to, now=now
            )
    if not outcome.done:
        log.info("%s pressed %s: %s", interaction.slack_id, interaction.action, outcome.words)
    return outcome


def _answer(interaction: Interaction, now: datetime) -> Outcome:
    action = actions.known().get(interaction.action)
    if action is None:
        return _refused("this Sluice knows no such button: use the page that the message links to")
    user = access.selectors.slack_user(interaction.slack_id)
    if user is None:
        return _refused(_stranger(interaction.slack_id))
    held = access.selectors.role(user)
    if held is None or held < action.role:
        return _refused(_too_little(user, held, action.role))
    try:
        # A press that changes nothing leaves the button as it was.
        with transaction.atomic():
            return Outcome(True, _done(action, interaction, user, now))
    except NotDone as error:
        return _refused(str(error))


def _done(action: Action, interaction: Interaction, user: User, now: datetime) -> str:
    by = Actor(user.get_username(), "slack")
    offer = offering.take(nonce=interaction.nonce, action=interaction.action, by=by.name, now=now)
    words = action.do(Press(offer.subject, offer.bound, by, now))
    if isinstance(words, StillOpen):
        offering.give_back(offer)
    return words


def _refused(why: str) -> Outcome:
    return Outcome(False, f"Nothing was done: {why}.")


def _stranger(slack_id: str) -> str:
    return (
        f"your Slack user {slack_id} is linked to nobody here. An administrator links it at"
        f" {settings.BASE_URL}/account/slack/ or by `manage.py slack link {slack_id} NAME`"
    )


def _too_little(user: User, held: Role | None, needed: Role) -> str:
    has = f"has {held.label}" if held else "has none"
    return f"this takes the role {needed.label}, and {user.get_username()} {has}"


def _once(seen: str, now: datetime) -> None:
    SeenRequest.objects.filter(at__lte=now - SEEN_FOR).delete()
    try:
        with transaction.atomic():
            SeenRequest.objects.create(key=seen, at=now)
    except IntegrityError:
        raise Replayed from None


@contextmanager
def _impatient(patience: timedelta) -> Iterator[None]:
    """SQLite: wait for the writer before us for so long at most."""
    if connection.vendor != "sqlite":
        yield
        return
    usual = timedelta(seconds=connection.settings_dict["OPTIONS"].get("timeout", 5))
    _busy_after(patience)
    try:
        yield
    finally:
        _busy_after(usual)


def _busy_after(patience: timedelta) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {_milliseconds(patience)}")


def _cut_statements(patience: timedelta) -> None:
    """PostgreSQL: end a statement, and so its wait for a lock, after so long; until this transaction ends."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {_milliseconds(patience)}")


def _milliseconds(length: timedelta) -> int:
    return int(length / timedelta(milliseconds=1))
