"""The lab's control API and its Slack-shaped receiver, as the lab page and the API use them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from django.conf import settings

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
