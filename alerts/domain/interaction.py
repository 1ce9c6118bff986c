"""What Slack says when somebody presses a button: the few parts of it that are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# Where Slack takes the answer to a press. Whatever else a payload may name is no place to send words to.
ANSWERED_AT = ("hooks.slack.com", "hooks.slack-gov.com")
LONGEST = 255


class NotUnderstood(Exception):
    """It is signed and yet nothing that Slack would send; the text names the part."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One press. `slack_id` is who pressed; `answer_to` is Slack's address for a word to them, or empty."""

    slack_id: str
    action: str
    nonce: str
    answer_to: str


def read(payload: object, *, api_url: str) -> Interaction | None:
    """The press that a payload tells of; None where it tells of none, such as a modal that was closed.

    `api_url` is the Web API's address: an installation that speaks to another Slack answers there, too.
    Raises NotUnderstood.
    """
    whole = _mapping(payload, "payload")
    if whole.get("type") != "block_actions":
        return None
    actions = whole.get("actions")
    if not isinstance(actions, list) or not actions:
        raise NotUnderstood("actions: not a list with an action in it")
    pressed = _mapping(actions[0], "actions[0]")
    return Interaction(
        slack_id=_text(_mapping(whole.get("user"), "user"), "id", "user.id"),
        action=_text(pressed, "action_id", "actions[0].action_id"),
        nonce=_text(pressed, "value", "actions[0].value"),
        answer_to=_answer_to(whole.get("response_url"), api_url),
    )


def _answer_to(given: object, api_url: str) -> str:
    """A signed payload is Slack's, and a leaked secret makes others': words go to Slack or nowhere."""
    if not isinstance(given, str):
        return ""
    try:
        there, slack = urlsplit(given), urlsplit(api_url)
        port = there.port
    except ValueError:
        return ""
    if there.scheme == "https" and there.hostname in ANSWERED_AT and port in (None, 443):
        return given
    return given if (there.scheme, there.netloc) == (slack.scheme, slack.netloc) else ""


def _mapping(given: object, name: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise NotUnderstood(f"{name}: not an object")
    return given


def _text(given: Mapping[str, Any], key: str, name: str) -> str:
    found = given.get(key)
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST or not found.isprintable():
        raise NotUnderstood(f"{name}: not a text of 1 to {LONGEST} printable characters")
    return found
