"""The chat's in-memory twin: the same outcomes as Slack, on demand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from alerts.domain.chat import Blocks, CannotTell, MaybeSent, NotSent, Posted, Refused, Throttled

Mode = Literal["ok", "429", "500", "drop", "hang", "refused", "down"]


@dataclass(slots=True)
class Message:
    """One message as the chat shows it now."""

    key: str
    text: str
    blocks: Blocks
    thread_ts: str
    ts: str
    edits: int = 0
    broadcast: bool = False
    channel: str = ""


@dataclass(slots=True)
class InMemoryChat:
    """`mode` says how the next calls go; `drop` and `hang` post and do not answer."""

    mode: Mode = "ok"
    messages: list[Message] = field(default_factory=list)
    calls: int = 0
    edits: bool = True
    history: bool = True
    buttons: bool = True
    whispers: list[tuple[str, str]] = field(default_factory=list)

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
        self.calls += 1
        self._fail_before()
        ts = f"{datetime.now(UTC).timestamp():.0f}.{len(self.messages):06d}"
        shown = bool(thread_ts) and broadcast
        self.messages.append(Message(key, text, blocks, thread_ts, ts, broadcast=shown, channel=channel))
        self._fail_after()
        return Posted("C2" if channel == "#other" else "C1", ts)

    def update(self, *, at: Posted, text: str, blocks: Blocks) -> None:
        self.calls += 1
        self._fail_before()
        found = next((m for m in self.messages if m.ts == at.ts), None)
        if found is None:
            raise Refused("message_not_found")
        found.text, found.blocks, found.edits = text, blocks, found.edits + 1
        self._fail_after()

    def whisper(self, *, answer_to: str, text: str) -> None:
        self.calls += 1
        self._fail_before()
        self.whispers.append((answer_to, text))
        self._fail_after()

    def find(self, *, key: str, since: datetime, channel: str = "", thread_ts: str = "") -> Posted | None:
        if not self.history:
            raise CannotTell("missing_scope")
        self._fail_before()
        self._fail_after()
        found = (m for m in self.messages if m.key == key and _at(m.ts) >= since)
        return next((Posted("C1", m.ts) for m in found), None)

    def _fail_before(self) -> None:
        match self.mode:
            case "429":
                raise Throttled("ratelimited", timedelta(seconds=7))
            case "down":
                raise NotSent("connection refused")
            case "refused":
                raise Refused("channel_not_found")
            case _:
                return

    def _fail_after(self) -> None:
        if self.mode in ("drop", "hang", "500"):
            raise MaybeSent(f"no answer ({self.mode})")


def _at(ts: str) -> datetime:
    return datetime.fromtimestamp(float(ts), tz=UTC)
