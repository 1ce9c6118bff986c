"""What a person may do. A role includes every role below it."""

from collections.abc import Iterable
from enum import IntEnum


class Role(IntEnum):
    """The roles in order; each is a Django group of the same name in lower case."""

    VIEWER = 1
    OPERATOR = 2
    OWNER = 3
    ADMINISTRATOR = 4

    @property
    def label(self) -> str:
        """The group's name, and the word that pages use."""
        return self.name.lower()

    @property
    def may(self) -> str:
        """What the role adds, in a few words."""
        return _MAY[self]


_MAY = {
    Role.VIEWER: "read everything",
    Role.OPERATOR: "acknowledge, approve, run and roll back",
    Role.OWNER: "declare configuration and objectives",
    Role.ADMINISTRATOR: "manage people",
}


def strongest(groups: Iterable[str], *, superuser: bool = False) -> Role | None:
    """The strongest role among the names of groups; None when no group is a role: nothing is allowed."""
    if superuser:
        return Role.ADMINISTRATOR
    by_label = {role.label: role for role in Role}
    return max((by_label[name] for name in groups if name in by_label), default=None)
