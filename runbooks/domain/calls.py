"""Calls of a remedy to services of others: how often one may be sent, and what its answer means.

A call is sent by a worker that may die at any moment. What is known of the receiver then decides what comes
next, never a guess:

- nothing has left this machine: it is sent again, whatever kind it is;
- it may have arrived, and the receiver takes a repeated key once (`repeatable`): it is sent again, with it;
- it may have arrived, and the receiver does not: its outcome is unknown, and a person is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# The IETF's draft-ietf-httpapi-idempotency-key-header: a quoted string.
KEY_HEADER = "Idempotency-Key"
# Seconds between two attempts: doubled each time, up to the second figure.
FIRST_AGAIN, SLOWEST = 1.0, 15.0
LONGEST_SAID = 300
CONFLICT, UNPROCESSABLE, TOO_MANY = 409, 422, 429

# The mark, in the evidence of a call that is due again, of an attempt that may have arrived.
MAYBE = "may_have_arrived"

Event = Literal["done", "refused", "again", "lost"]
Phase = Literal["do", "undo"]

# The states of a step that is no overlay. What leaves this machine is `sending`; other steps are done or
# refused at once. What is due and no longer wanted is `dropped`; past its deadline it is `refused` where
# nothing ever left, else `unknown`, which is left by a person's word alone.
CALL: dict[str, dict[str, str]] = {
    "due": {
        "send": "sending",
        "do": "done",
        "refuse": "refused",
        "drop": "dropped",
        "give_up": "refused",
        "lose": "unknown",
    },
    "sending": {"done": "done", "refused": "refused", "again": "due", "lost": "unknown"},
    "unknown": {"happened": "done", "not_happened": "refused"},
    "done": {},
    "refused": {},
    "dropped": {},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt, in `said` in words; `sent` is false where nothing has left this machine."""

    status: int | None = None
    said: str = ""
    sent: bool = True


def event_of(answer: Answer, *, repeatable: bool) -> Event:
    """What an attempt's answer makes of the call.

    A client error says that it was not done, but for a conflict and a throttle where the key is known: then
    another attempt is under way, or comes later. A server error, a redirect or silence says nothing.
    """
    if not answer.sent:
        return "again"
    status = answer.status
    if status is not None and 200 <= status < 300:
        return "done"
    if status in (CONFLICT, TOO_MANY) and repeatable:
        return "again"
    if status is not None and 400 <= status < 500:
        return "refused"
    return "again" if repeatable else "lost"


def after_death(*, repeatable: bool) -> Event:
    """What it means that the worker died after the commit that it sends, before the one of what came."""
    return "again" if repeatable else "lost"


def again_after(attempts: int) -> float:
    """Seconds from the attempt before to the next."""
    return min(FIRST_AGAIN * 2.0 ** max(0, attempts - 1), SLOWEST)


def key_of(*, run: int, step: int, phase: Phase) -> str:
    """The key of a run's call: the same for every attempt, another for its undo."""
    return f"sluice-run-{run}-step-{step}-{phase}"


def key_headers(key: str) -> dict[str, str]:
    """The key as it is sent."""
    return {KEY_HEADER: f'"{key}"'}


def words_of(status: int, body: bytes) -> str:
    """An answer in a line, for the page and the audit: what the receiver says is shown, never trusted."""
    text = body.decode(errors="replace")
    plain = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return f"HTTP {status}: {plain}"[:LONGEST_SAID] if plain else f"HTTP {status}"


def content_of(
    *, key: str, phase: str, said: Mapping[str, Any], about: Mapping[str, Any], why: str
) -> dict[str, Any]:
    """What is signed and sent: what the step declares, and what the run is about."""
    return {"key": key, "phase": phase, "run": dict(about), "why": why, **said}
