"""A question to a person. Yes goes on; no, and no answer in time, take back what was done before it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from runbooks.domain.kinds import filled_words
from runbooks.models import Act, Run
from runbooks.services import telling
from runbooks.services.looking import Look
from runbooks.services.steps.contract import Came, Case, Nature, Planned


class Ask:
    """See `contract.Kind`. `services.answer` writes what the person said."""

    nature: Nature = "read"

    def plan(self, step: Mapping[str, Any], case: Case) -> Planned:
        text = filled_words(step["text"], case.known)
        return Planned({"text": text, "within": step["within"]}, words=f"ask a person: {text}")

    def do(self, act: Act, run: Run, look: Look) -> Came | None:
        until = act.intended_at + timedelta(seconds=act.said["within"])
        match act.state:
            case "done" | "refused":
                return Came(act.state, act.answer)
            case _ if look.now >= until:
                return Came("refused", "nobody answered in time, which is a no")
            case _:
                telling.question(run, act, until=until, now=look.now)
                return None

    def undo(self, act: Act, run: Run, look: Look) -> Came | None:
        return Came("done", "a question changes nothing")
