"""A sentence in the incident's thread. The outbox sends it, once a key."""

from collections.abc import Mapping
from typing import Any

import alerts.services
from runbooks.domain.kinds import filled_words
from runbooks.models import Act, Run
from runbooks.services.looking import Look
from runbooks.services.steps.contract import Came, Case, Nature, Planned


class Tell:
    """See `contract.Kind`."""

    # It changes nothing, and the outbox knows its key.
    nature: Nature = "read"

    def plan(self, step: Mapping[str, Any], case: Case) -> Planned:
        text = filled_words(step["text"], case.known)
        return Planned({"text": text}, words=f"tell the incident's thread: {text}")

    def do(self, act: Act, run: Run, look: Look) -> Came | None:
        if run.incident_id is None:
            return Came("done", "there is no incident to tell it in")
        told = alerts.services.tell(
            key=act.key, kind="INFO", incident_id=run.incident_id, heading=act.said["text"], now=look.now
        )
        return Came("done", "told" if told else "not told: the incident is silenced, or it was told before")

    def undo(self, act: Act, run: Run, look: Look) -> Came | None:
        return Came("done", "what is said is said")
