"""The real hooks: one signed POST each, as `outbound` sends it; whatever goes wrong is no answer."""

from dataclasses import dataclass
from typing import Any

from canary.domain import hooks
from canary.domain.hooks import Answer, Hook
from outbound import posting
from outbound.errors import NotSent, Unanswered
from outbound.posting import Outbound


@dataclass(frozen=True, slots=True)
class WebHooks:
    """Hooks as far as requests may go at all."""

    outbound: Outbound

    def refused(self, hook: Hook) -> tuple[str, str] | None:
        """What of the hook can be told to be wrong without a look-up."""
        return self.outbound.refused(hook.url, hook.secret)

    def ask(
        self, hook: Hook, question: dict[str, Any], *, event: str, delivery: int, timestamp: int
    ) -> Answer:
        """One POST. See the port."""
        try:
            reply = self.outbound.post(
                hook.url, hook.secret, question, event=event, delivery=delivery, timestamp=timestamp
            )
        except (NotSent, Unanswered) as error:
            return Answer.none(str(error))
        return hooks.answer_of(reply.status, reply.body)


def from_settings() -> WebHooks:
    """The hooks as the settings allow them."""
    return WebHooks(posting.from_settings())
