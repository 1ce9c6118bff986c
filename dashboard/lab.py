"""The lab's control API and its Slack-shaped receiver, as the lab page and the API use them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from django.conf import settings

from dashboard.domain.mrkdwn import Part, lines

SECONDS = 2.0


class NoLab(Exception):
    """This Sluice runs no lab: SLUICE_LAB_URL is not set."""


class LabUnreachable(Exception):
    """The lab is configured and does not answer."""


class Refused(Exception):
    """The lab does not take a fault. `errors` maps fields to reasons."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in errors.items()))
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True)
class Message:
    """What the receiver got: when, its text, its lines, and whether it was edited since or is in a thread."""

    at: datetime
    edited_at: datetime | None
    text: str
    lines: tuple[tuple[Part, ...], ...]
    threaded: bool


def received(*, most: int = 20) -> list[Message]:
    """The newest messages of the Slack-shaped receiver. Raises NoLab, LabUnreachable."""
    if not settings.LAB_RECEIVER_URL:
        raise NoLab("This Sluice runs no receiver: SLUICE_LAB_RECEIVER_URL is not set.")
    url = f"{settings.LAB_RECEIVER_URL.rstrip('/')}/messages"
    try:
        found = requests.get(url, timeout=SECONDS).json()["messages"]
    except (requests.RequestException, KeyError) as error:
        raise LabUnreachable("The receiver does not answer.") from error
    return [_message(each) for each in reversed(found[-most:])]


def _message(given: Mapping[str, Any]) -> Message:
    edited = given.get("edited_at")
    return Message(
        at=datetime.fromtimestamp(given["at"], tz=UTC),
        edited_at=datetime.fromtimestamp(edited, tz=UTC) if edited else None,
        text=str(given.get("text", "")),
        lines=lines(given.get("blocks") or ()),
        threaded=bool(given.get("thread_ts")),
    )


@dataclass(frozen=True, slots=True)
class Control:
    """Sets and reads the faults of the lab's backends."""

    url: str

    def faults(self) -> dict[str, dict[str, Any]]:
        """The present fault of each backend. Raises NoLab, LabUnreachable."""
        return self._ask("GET")

    def set(self, fault: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Replace the fault of `fault["backend"]` (a backend or an upstream). Raises Refused as well."""
        return self._ask("POST", dict(fault))

    def _ask(self, method: str, body: Any = None) -> dict[str, dict[str, Any]]:
        if not self.url:
            raise NoLab("This Sluice runs no lab: SLUICE_LAB_URL is not set.")
        try:
            answer = requests.request(method, f"{self.url.rstrip('/')}/faults", json=body, timeout=SECONDS)
            document = answer.json()
        except requests.RequestException as error:
            raise LabUnreachable("The lab does not answer.") from error
        if not answer.ok:
            raise Refused(document.get("errors") or {"": f"the lab answered {answer.status_code}"})
        return dict(document)


def control() -> Control:
    """The lab of the settings."""
    return Control(settings.LAB_URL)
