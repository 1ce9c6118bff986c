"""How each state looks: a kind (a colour), a shape, and its word. Colour never stands alone.

Kinds: good, acting (a machine is at work), wait (a person is needed), bad, unknown, quiet (no concern).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """A kind of state, which the style sheet colours, and the shape that tells it apart without colour."""

    kind: str
    shape: str


GOOD = Look("good", "check")
ACTING = Look("acting", "arrow")
WAIT = Look("wait", "hand")
BAD = Look("bad", "cross")
UNKNOWN = Look("unknown", "query")
QUIET = Look("quiet", "dash")

_LOOKS = {
    GOOD: "good ok clear healthy connected acked promoted succeeded pass resolved sent in_sync met earned "
    "exact",
    ACTING: "acting running mitigating verifying holding reverting confirming proposed live sending "
    "rolling_back baking pending mitigated",
    WAIT: "wait awaiting_approval taken paused needs_human inconclusive between ticket open drifting "
    "acknowledged warning",
    BAD: "bad fires failed fail firing rolled_back page nacked disconnected burning failed_reverted spent",
    UNKNOWN: "unknown too_young no_data stale not_confirmed unavailable",
    QUIET: "quiet cancelled denied expired suppressed silenced off ended next approximate",
}
_BY_WORD = {word: look for look, words in _LOOKS.items() for word in words.split()}


def look(state: str) -> Look:
    """The look of a state's word, in any case and with any separator; a word that is not known is unknown."""
    return _BY_WORD.get(word(state).replace(" ", "_"), UNKNOWN)


def word(state: str) -> str:
    """The word that people read: AWAITING_APPROVAL is "awaiting approval"."""
    return str(state).replace("_", " ").replace("-", " ").lower()
