"""Hooks: what is asked of a service of the engineer's own before and after a step, signed, and its answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from outbound import signing

Moment = Literal["before", "after"]
Said = Literal["go", "wait", "refuse"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
# An answer's reason stands in the audit and on the page.
LONGEST_REASON = 500
# The states of one question. `asking` that no answer ends is `silent` at its deadline.
CALL: dict[str, dict[str, str]] = {
    "asking": {"go": "allowed", "refuse": "refused", "expire": "silent"},
    "allowed": {},
    "refused": {},
    "silent": {},
}
# Seconds between two questions while the answer is `wait`, and at most between two that got no answer.
ASKED_EVERY = 5.0
SLOWEST = 30.0


class Hook(BaseModel):
    """One hook of a plan. `secret` is the name of a secret, never the secret; `deadline` is in seconds.

    `before`: asked before each step's weights are given. `after`: asked once every proxy obeys them; what
    follows the step waits for the answer. Past the deadline a person is asked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Name
    url: str = Field(max_length=2000)
    secret: Name
    when: tuple[Moment, ...] = Field(default=("before",), min_length=1, max_length=2)
    deadline: float = Field(default=300.0, ge=1, le=86_400)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        return signing.checked(url)

    @property
    def shown(self) -> str:
        """The address without its query, which some services keep a token in."""
        return signing.shown(self.url)


def without_queries(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan's JSON values for those who may only read: its hooks' addresses as they are shown."""
    hooks = [{**one, "url": Hook.model_validate(one).shown} for one in plan.get("hooks", ())]
    return {**plan, "hooks": hooks} if hooks else dict(plan)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a hook said; None is no answer, which lets nothing go on; `reason` says why it is none."""

    said: Said | None
    reason: str

    @classmethod
    def none(cls, why: str) -> Self:
        return cls(None, why[:LONGEST_REASON])


def distinct(hooks: tuple[Hook, ...]) -> tuple[Hook, ...]:
    """The same hooks. Raises ValueError where two have one name."""
    names = [hook.name for hook in hooks]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"must have names of their own; twice: {', '.join(doubled)}")
    return hooks


def answer_of(status: int, body: bytes) -> Answer:
    """What an HTTP answer says: 2xx with `{"answer": "go" | "wait" | "refuse", "reason": "..."}`.

    Everything else is no answer: a page of some proxy in between with 200 must promote nothing.
    """
    if not 200 <= status < 300:
        return Answer.none(f"HTTP {status}")
    try:
        given = json.loads(body)
    except ValueError:
        return Answer.none(f"HTTP {status} without JSON")
    said = given.get("answer") if isinstance(given, dict) else None
    if said not in ("go", "wait", "refuse"):
        return Answer.none('the JSON holds no "answer" of go, wait or refuse')
    return Answer(said, _plain(given.get("reason")))


def asked_again_after(answer: Answer, attempts: int) -> float:
    """Seconds until an unsettled question is asked again."""
    return ASKED_EVERY if answer.said == "wait" else min(2.0 ** min(attempts, 10), SLOWEST)


def _plain(reason: Any) -> str:
    text = reason if isinstance(reason, str) else ""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:LONGEST_REASON].strip()
