"""What calls to others have in common: `services.calling` sends them, here it is read what came."""

from collections.abc import Mapping
from typing import Any

import outbound.posting
from outbound import signing
from runbooks.models import Act, Run
from runbooks.services.looking import Look
from runbooks.services.steps.contract import Came, CannotPlan, Nature

# What a worker that sends reads of an act's `said`, whatever its kind.
SENT = ("url", "secret", "deadline", "repeatable", "body", "undo")


class Outside:
    """The half of `contract.Kind` that waits for what `services.calling` writes."""

    nature: Nature = "keyed"

    def do(self, act: Act, run: Run, look: Look) -> Came | None:
        return came(act)

    def undo(self, act: Act, run: Run, look: Look) -> Came | None:
        return came(act)


def came(act: Act) -> Came | None:
    """What the row says of it."""
    match act.state:
        case "done" | "refused" | "unknown":
            return Came(act.state, act.answer, {"attempts": act.attempts})
        case _:
            return None


def call(
    step: Mapping[str, Any],
    body: Mapping[str, Any],
    undo: Mapping[str, Any] | None,
    *,
    repeatable: bool,
) -> dict[str, Any]:
    """What is sent, exactly. Raises CannotPlan where it could never be sent from here."""
    back = None if undo is None else {"url": undo.get("url") or step["url"], "body": dict(undo["body"])}
    for url in (step["url"], *([back["url"]] if back else [])):
        wrong = outbound.posting.from_settings().refused(url, step["secret"])
        if wrong is not None:
            raise CannotPlan(f"{signing.shown(url)} cannot be called: {wrong[1]}")
    return {
        "url": step["url"],
        "secret": step["secret"],
        "deadline": step["deadline"],
        "repeatable": repeatable,
        "body": dict(body),
        "undo": back,
    }
