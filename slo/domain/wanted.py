"""Which objectives a list is asked for."""

from dataclasses import dataclass
from typing import Literal

Sort = Literal["left", "burn", "name"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which objectives: what is empty narrows nothing. `text` is looked for in names, places and owners."""

    text: str = ""
    tier: str = ""
    route: str = ""
    upstream: str = ""
    kind: str = ""
    sli: str = ""
    owner: str = ""
    severity: str = ""
    state: str = ""
    sort: Sort = "left"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the declared objectives can be narrowed by."""

    tiers: tuple[str, ...]
    kinds: tuple[tuple[str, str], ...]
    owners: tuple[str, ...]
