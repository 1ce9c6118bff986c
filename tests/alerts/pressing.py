"""People of Slack and what they press, for tests."""

import json
from datetime import datetime
from itertools import count
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.test import Client

from access import linking
from access.domain.roles import Role
from alerts import interactions
from alerts.domain.interaction import Interaction
from alerts.interactions import Outcome
from alerts.models import Outbox
from audit.domain.actor import Actor
from lab.presses import signed
from tests.support.people import NOW, person

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
ANSWER_TO = "https://hooks.slack.com/actions/T0LAB/1/x"
BY = Actor("tests", "cli")
_requests = count(1)


def linked(role: Role | None = Role.OPERATOR, name: str = "ann", slack_id: str = "U1ANN") -> User:
    """A user with a role, and the Slack user who acts as them."""
    user = person(role, name)
    linking.link(slack_id=slack_id, username=name, by=BY, reason="a test", now=NOW)
    return user


def shown(action: str) -> dict[str, Any]:
    """The button as the newest message that has one of this action shows it."""
    for row in Outbox.objects.order_by("-id"):
        for block in row.payload["blocks"]:
            for element in block.get("elements", ()):
                if element.get("action_id") == action:
                    return dict(element)
    raise LookupError(f"no message shows a button {action}")


def buttons(row: Outbox) -> list[str]:
    """The actions that a message offers."""
    rows = [block for block in row.payload["blocks"] if block["type"] == "actions"]
    return [element["action_id"] for block in rows for element in block["elements"]]


def press(
    action: str, *, now: datetime, slack_id: str = "U1ANN", nonce: str = "", answer_to: str = ANSWER_TO
) -> Outcome:
    """Press the newest button of this action."""
    given = Interaction(slack_id, action, nonce or shown(action)["value"], answer_to)
    return interactions.receive(given, seen=f"test/{next(_requests)}", now=now)


def payload(action: str, *, slack_id: str = "U1ANN", **changes: Any) -> dict[str, Any]:
    """What Slack sends of a press."""
    return {
        "type": "block_actions",
        "user": {"id": slack_id, "username": "ann"},
        "response_url": ANSWER_TO,
        "actions": [shown(action)],
        **changes,
    }


def body_of(given: object) -> bytes:
    return urlencode({"payload": json.dumps(given)}).encode()


def post(
    client: Client, body: bytes, *, at: datetime, secret: str = SECRET, **headers: str
) -> tuple[int, str]:
    """The status and the text of the answer to a signed request."""
    sent = signed(secret, body, at=at.timestamp())
    content = sent.pop("content-type")
    answer = client.post("/slack/interactions", data=body, content_type=content, headers={**sent, **headers})
    return answer.status_code, answer.content.decode()
