"""What a person may do to a rollout. Each bumps its version, so that a worker in flight fails to commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction

from audit.domain.actor import Actor
from canary.domain import states
from canary.domain.errors import Frozen, Held, Refused, UnknownRollout
from canary.models import Rollout
from canary.services import moving, telling
from proxy.domain.errors import ProxyError, TargetTaken


def approve(*, rollout_id: int, by: Actor, reason: str = "", now: datetime) -> None:
    """Take the next step. Raises UnknownRollout, WrongState, Held, Frozen."""
    with _acting(rollout_id) as rollout:
        event = "approve_last" if moving.is_last(rollout) else "approve"
        states.after(rollout.state, event)
        _refuse_frozen(rollout)
        last = event == "approve_last"
        said = (
            _decided("Promoted", by, reason) if last else reason or f"the next step was approved by {by.name}"
        )
        moving.up(rollout, event=event, by=by, reason=said, now=now, problem="")


def pause(*, rollout_id: int, by: Actor, reason: str = "", now: datetime) -> None:
    """Stay at this weight. The judge goes on: a pause never stops a rollback. Raises as `approve` does."""
    with _acting(rollout_id) as rollout:
        moving.commit(rollout, event="pause", by=by, reason=reason or f"paused by {by.name}", now=now)


def resume(*, rollout_id: int, by: Actor, reason: str = "", now: datetime) -> None:
    """Go on at the present step, with its weights put back where they were lost. Raises as `approve` does."""
    with _acting(rollout_id) as rollout:
        states.after(rollout.state, "resume")
        said = reason or f"resumed by {by.name}"
        plan = moving.plan_of(rollout)
        share = plan.steps[rollout.step]
        kept = rollout.fence is not None and rollout.weight == share
        if not kept:
            _refuse_frozen(rollout)
        moving.leave_step(rollout, verdict="resumed", reason=said, now=now)
        laid: dict[str, Any] = {}
        if not kept:
            laid = moving.lay(rollout, share=share, reason=said, by=by, now=now)
            laid["evidence"] = moving.stepped(rollout.evidence)
        moving.commit(rollout, event="resume", by=by, reason=said, now=now, problem="", **laid)
        obeyed = kept and rollout.push.get("acked_at")
        moving.enter_step(rollout, now=now, obeyed_at=now if obeyed else None)


def promote(*, rollout_id: int, by: Actor, reason: str = "", now: datetime) -> None:
    """Give the canary everything at once, whatever the judge says so far. Raises as `approve` does."""
    with _acting(rollout_id) as rollout:
        states.after(rollout.state, "promote")
        _refuse_frozen(rollout)
        said = _decided("Promoted", by, reason)
        moving.leave_step(rollout, verdict="promoted", reason=said, now=now)
        moving.whole(rollout, event="promote", by=by, reason=said, now=now, problem="")


def rollback(*, rollout_id: int, by: Actor, reason: str = "", now: datetime) -> None:
    """Take the canary's traffic away, in every state that has not ended. Raises as `approve` does."""
    with _acting(rollout_id) as rollout:
        states.after(rollout.state, "roll_back")
        said = _decided("Rolled back", by, reason)
        moving.away(rollout, event="roll_back", verdict="rolled_back", by=by, reason=said, now=now)


def close(*, rollout_id: int, by: Actor, reason: str = "", now: datetime) -> None:
    """End a rollback that cannot be read back from every proxy, such as one that will never return.

    The canary has no traffic by the configuration and the overlay goes; a person answers for the proxies that
    have not shown it. Raises as `approve` does.
    """
    with _acting(rollout_id) as rollout:
        states.after(rollout.state, "close")
        said = f"closed by {by.name}: {reason}" if reason else f"closed by {by.name}"
        moving.release(rollout, by=by, reason=said, now=now)
        moving.commit(
            rollout,
            event="close",
            by=by,
            reason=f"{rollout.reason}; {said}",
            now=now,
            problem="",
            fence=None,
            overlay_expires_at=None,
        )
        telling.closed(rollout, said, by=by, now=now)


def _refuse_frozen(rollout: Rollout) -> None:
    """The way out is the policy itself, which is declared: a revision, with its author and reason."""
    why = moving.frozen(rollout.tier, rollout.route_name)
    if why:
        raise Frozen("route", f"{why}; roll back, wait, or change the tier's budget_policy")


def _decided(what: str, by: Actor, reason: str) -> str:
    """A person's decision, as it stays the rollout's reason until the end: who, and why."""
    return f"{what} by {by.name}: {reason}" if reason else f"{what} by {by.name}"


@contextmanager
def _acting(rollout_id: int) -> Iterator[Rollout]:
    """The rollout's row, locked, in one transaction with all that is done to it."""
    with transaction.atomic():
        rollout = Rollout.objects.select_for_update().filter(pk=rollout_id).first()
        if rollout is None:
            raise UnknownRollout("rollout", f"there is no rollout {rollout_id}")
        try:
            yield rollout
        except TargetTaken as error:
            raise Held("route", f"the weights of {rollout.route_name} are held by {error.owner}") from error
        except ProxyError as error:
            raise Refused("route", f"the tier refuses it: {error}") from error
