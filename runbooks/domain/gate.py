"""What must hold before a run may act, decided from facts that were read in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from runbooks.domain.policy import Policy

Mode = Literal["observe", "approve", "auto"]
MODES: tuple[Mode, ...] = ("observe", "approve", "auto")


@dataclass(frozen=True, slots=True)
class Facts:
    """`parent` is another cause that the incident is laid to and that somebody already acts on, or empty.

    Counts are of actions on the tier in the policy's window, of this runbook and of all; `approvals` are of
    different people for exactly this plan. `held_by` is another that holds a target of it, `left_out` what of
    the tier it would leave out too much of, both empty where that is not so. `by_hand` is who started the
    run, if a person did.
    """

    mode: Mode
    killed: bool
    silenced: bool
    parent: str
    last_ended_at: datetime | None
    acted_recently: int
    actions: int
    actions_in_all: int
    routes_touched: int
    routes: int
    approvals: int
    held_by: str = ""
    left_out: str = ""
    by_hand: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """`act`, `ask` a person, or `stop`; and why."""

    answer: Literal["act", "ask", "stop"]
    why: str


def gate(facts: Facts, policy: Policy, *, now: datetime) -> Gate:
    """The first guard that says no, else whether a person is asked first."""
    no = _no(facts, policy, now)
    if no:
        return Gate("stop", no)
    if facts.approvals >= policy.approvals:
        return Gate("act", "approved")
    if facts.by_hand:
        others = f"{policy.approvals} others have to approve"
        changed = "the plan has changed since"
        return Gate("ask", f"{facts.by_hand} started it; {changed if policy.approvals == 1 else others}")
    if facts.mode == "auto" and facts.acted_recently < policy.flaps:
        return Gate("act", "mode auto")
    if facts.mode == "auto":
        return Gate("ask", f"automatic mode is off here: it acted {facts.acted_recently} times lately")
    return Gate("ask", "mode approve")


def _no(facts: Facts, policy: Policy, now: datetime) -> str:
    if facts.killed:
        return "the kill switch is on"
    if not facts.by_hand and (unasked := _not_by_itself(facts, policy, now)):
        return unasked
    if facts.actions >= policy.actions:
        return f"the budget of this runbook is spent: {_budget(policy.actions, policy)}"
    if facts.actions_in_all >= policy.actions_in_all:
        return f"the budget of all runbooks is spent: {_budget(policy.actions_in_all, policy)}"
    if facts.routes_touched > max(1, int(facts.routes * policy.routes_touched)):
        return f"it would touch {facts.routes_touched} of {facts.routes} routes"
    return facts.left_out or (f"{facts.held_by} holds the target" if facts.held_by else "")


def _budget(actions: int, policy: Policy) -> str:
    """The limit, not the count: a reason that changes with each action would begin a run for each."""
    return f"{actions} actions in {policy.actions_window.total_seconds() / 60:g} min"


def _not_by_itself(facts: Facts, policy: Policy, now: datetime) -> str:
    """What keeps the machine from beginning, and not a person."""
    if facts.mode == "observe":
        return "mode observe: it only tells"
    if facts.silenced:
        return "the target is silenced"
    if facts.parent:
        return f"a consequence of {facts.parent}, which is being handled"
    if facts.last_ended_at is not None and now - facts.last_ended_at < policy.cooldown:
        return "in the cooldown after the last run"
    return ""
