"""Buttons of a message, as Slack's Block Kit. A button bears a nonce and nothing that could be changed.

Limits of Slack: 75 characters on a button; 100, 300 and 30 in the parts of its confirmation; 2,000 in a text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from alerts.domain.chat import Blocks

LABEL_LIMIT, TITLE_LIMIT, ASKS_LIMIT, YES_LIMIT = 75, 100, 300, 30
SAID_LIMIT = 1900


@dataclass(frozen=True, slots=True)
class Button:
    """What a person may do from a message.

    `action` names it for the app that does it (`run.approve`), `subject` is the number of what it is about,
    `bound` what the person has looked at (a plan's hash, a step): it is handed back as it was offered.
    `asks` is the question that Slack puts before the press counts. After `expires_at` it does nothing.
    """

    action: str
    subject: int
    label: str
    bound: str = ""
    style: Literal["", "primary", "danger"] = ""
    asks: str = ""
    expires_at: datetime | None = None


def element(button: Button, nonce: str) -> dict[str, Any]:
    """The button as an element of an `actions` block."""
    made: dict[str, Any] = {
        "type": "button",
        "action_id": button.action,
        "text": _plain(button.label, LABEL_LIMIT),
        "value": nonce,
    }
    if button.style:
        made["style"] = button.style
    if button.asks:
        made["confirm"] = _confirmation(button)
    return made


def block(elements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The row of buttons."""
    return {"type": "actions", "elements": list(elements)}


def without(blocks: Blocks, said: str) -> Blocks:
    """The same message with `said` (mrkdwn) where its buttons were."""
    kept = [one for one in blocks if one["type"] != "actions"]
    return [*kept, _context(said)]


def noted(blocks: Blocks, said: str) -> Blocks:
    """The same message with `said` (mrkdwn) before its buttons."""
    at = next(i for i, one in enumerate(blocks) if one["type"] == "actions")
    return [*blocks[:at], _context(said), *blocks[at:]]


def has(blocks: Blocks) -> bool:
    """Whether a message shows buttons."""
    return any(one["type"] == "actions" for one in blocks)


def _confirmation(button: Button) -> dict[str, Any]:
    made: dict[str, Any] = {
        "title": _plain(f"{button.label}?", TITLE_LIMIT),
        "text": _plain(button.asks, ASKS_LIMIT),
        "confirm": _plain(button.label, YES_LIMIT),
        "deny": _plain("Not now", YES_LIMIT),
    }
    return {**made, "style": button.style} if button.style else made


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": _cut(text, SAID_LIMIT)}]}


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": _cut(text, limit), "emoji": False}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
