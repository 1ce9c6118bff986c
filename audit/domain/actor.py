"""Who acts: every service takes one as `by=`."""

from dataclasses import dataclass
from typing import Literal

Source = Literal["web", "api", "slack", "cli", "automation"]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a part of Sluice, and the door that it came in by."""

    name: str
    source: Source


def automation(part: str) -> Actor:
    """The actor for what a part of Sluice does by itself, such as `judge` or `expiry`."""
    return Actor(name=part, source="automation")
