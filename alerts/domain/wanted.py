"""Which incidents a person looks for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person looks for; what is empty narrows nothing. `state` is one of the table's, or "open".

    With `explained` those, too, that another incident explains: they stand with that one else.
    """

    text: str = ""
    state: str = ""
    tier: str = ""
    severity: str = ""
    explained: bool = False
