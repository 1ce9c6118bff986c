"""What the buttons of messages do. Each app owns the actions of its things, and this app imports none above.

The composition root names the tables: `settings.MESSAGE_ACTIONS`, dotted paths.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from access.domain.roles import Role
from audit.domain.actor import Actor


class NotDone(Exception):
    """The press has changed nothing; the text says why, for the person who pressed."""


@dataclass(frozen=True, slots=True)
class Press:
    """A button that was pressed: what it is about and what it was bound to, as it was offered."""

    subject: int
    bound: str
    by: Actor
    now: datetime


class StillOpen(str):
    """What the person is told where the button goes on for others, such as for a second approval."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Action:
    """`role` is checked at the press. `do` runs inside the caller's transaction, returns what the person is
    told, and raises NotDone. The button is used up by it, unless what it returns is StillOpen."""

    role: Role
    do: Callable[[Press], str]


Table = Mapping[str, Action]


@cache
def known() -> Table:
    """Every action by name. Raises ValueError when two apps use one name."""
    found: dict[str, Action] = {}
    for path in settings.MESSAGE_ACTIONS:
        table: Table = import_string(path)
        if twice := found.keys() & table.keys():
            raise ValueError(f"{path}: {', '.join(sorted(twice))} is an action of another app")
        found.update(table)
    return found
