"""Describes what was asked of a rollout's hooks and what they said. No secret is known here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canary.domain import states
from canary.domain.hooks import Hook
from canary.domain.plan import Plan
from canary.models import HookCall, Rollout

# The latest questions that a page shows: each step has a few.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class HookRow:
    """One hook of the plan. `url` is shown without its query; `secret` is a name; `deadline` in seconds."""

    name: str
    url: str
    when: tuple[str, ...]
    secret: str
    deadline: float


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One question. `weight` in basis points; `state`: asking, allowed, refused, silent, or dropped where the
    rollout went on without the answer. `said` is the latest answer, or why there was none.
    """

    delivery: int
    hook: str
    moment: str
    step: int
    weight: int
    state: str
    attempts: int
    said: str
    asked_at: datetime
    deadline_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class HookedRow:
    """A rollout's hooks and the questions to them, the newest first."""

    hooks: tuple[HookRow, ...]
    questions: tuple[QuestionRow, ...]


def hooked(rollout_id: int) -> HookedRow:
    """Both empty where the plan has no hooks, or there is no such rollout."""
    found = Rollout.objects.filter(pk=rollout_id).only("plan", "state").first()
    hooks = Plan.model_validate(found.plan).hooks if found else ()
    if found is None or not hooks:
        return HookedRow((), ())
    asking = found.state in states.LIVE and found.state != "rolling_back"
    calls = HookCall.objects.filter(rollout=rollout_id).order_by("-id")[:SHOWN]
    return HookedRow(
        hooks=tuple(_hook(hook) for hook in hooks),
        questions=tuple(_question(call, asking=asking) for call in calls),
    )


def _hook(hook: Hook) -> HookRow:
    return HookRow(hook.name, hook.shown, hook.when, hook.secret, hook.deadline)


def _question(call: HookCall, *, asking: bool) -> QuestionRow:
    fields: dict[str, Any] = {name: getattr(call, name) for name in PLAIN}
    state = call.state if asking or call.state != "asking" else "dropped"
    return QuestionRow(delivery=call.pk, state=state, **fields)


PLAIN = (
    "hook",
    "moment",
    "step",
    "weight",
    "attempts",
    "said",
    "asked_at",
    "deadline_at",
    "settled_at",
)
