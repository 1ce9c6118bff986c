"""The chat port: where messages go. `slack.py` is the real one, `memory.py` its twin under one contract."""

from datetime import datetime
from typing import Protocol

from alerts.domain.chat import Blocks, Posted


class Chat(Protocol):
    """Each method tries once and never sleeps. Errors: NotSent (Throttled), Refused, MaybeSent."""

    @property
    def edits(self) -> bool:
        """Whether a message can be changed after it was posted (an incoming webhook cannot)."""

    @property
    def buttons(self) -> bool:
        """Whether a press of a button would be heard of here."""

    def post(
        self,
        *,
        key: str,
        text: str,
        blocks: Blocks,
        thread_ts: str = "",
        broadcast: bool = False,
        channel: str = "",
    ) -> Posted:
        """Send a message that bears `key`, in the thread of `thread_ts` when given.

        `broadcast` shows it in the channel as well as in the thread; `channel` is another than the usual one.
        """

    def update(self, *, at: Posted, text: str, blocks: Blocks) -> None:
        """Change what the message at `at` shows. Safe to repeat."""

    def whisper(self, *, answer_to: str, text: str) -> None:
        """Say something to the one who pressed a button, only to them. `answer_to` came with the press."""

    def find(self, *, key: str, since: datetime, channel: str = "", thread_ts: str = "") -> Posted | None:
        """The message that bears `key` and was posted after `since`, in that thread when given.

        `channel` is where an earlier message went: Slack reads a channel by its number only. None when
        there is none for certain. Raises CannotTell.
        """
