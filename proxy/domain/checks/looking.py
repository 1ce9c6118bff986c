"""What a check says of one picture, and what would mend it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Look:
    """`holds` None: the picture does not show it. `says` is a part of a sentence, without a full stop."""

    holds: bool | None
    says: str


@dataclass(frozen=True, slots=True)
class Mend:
    """An overlay that mends it for a while, and what to write into the tier's file."""

    patch: Mapping[str, Any] | None = None
    declare: str = ""
