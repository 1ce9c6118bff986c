"""What can come of sending a message, as the chat port tells it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

Blocks = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message is. `ts` is empty when the chat does not say (an incoming webhook)."""

    channel: str
    ts: str


class ChatError(Exception):
    """A message was not confirmed; the text says why and holds no secret."""


class NotSent(ChatError):
    """Shown not to have been sent: it may be tried again, after `retry_after` when the chat said so."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Throttled(NotSent):
    """The chat wants nothing for this channel for a while: the next message there would fare the same."""


class Refused(ChatError):
    """The chat refused the message for a reason that trying again does not mend."""


class MaybeSent(ChatError):
    """It went out and no answer came: it may be there, so it is never sent again by itself."""


class CannotTell(ChatError):
    """Whether a message is there cannot be looked up."""
