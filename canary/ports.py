"""The port to the hooks of a plan. `webhooks.py` is the real one."""

from typing import Any, Protocol

from canary.domain.hooks import Answer, Hook


class Hooks(Protocol):
    """Asks once and never sleeps. It runs on threads of its own, so it leaves the database alone."""

    def ask(
        self, hook: Hook, question: dict[str, Any], *, event: str, delivery: int, timestamp: int
    ) -> Answer:
        """The hook's answer; whatever goes wrong is no answer, with the cause, and never a raised error."""
