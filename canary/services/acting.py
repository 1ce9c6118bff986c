"""What a person may do to a rollout. Each bumps its version, so that a worker in flight fails to commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

import proxy.selectors
from audit.domain.actor import Actor
from canary.domain import states
from canary.domain.errors import Frozen, Held, LiveRollout, NotNow, Refused, Stale, UnknownRollout
from canary.domain.plan import WHOLE
from canary.models import Rollout
from canary.services import moving, returning, telling
from proxy.domain.errors import ProxyError, TargetTaken


def approve(*, rollout_id: int, by: Actor, reason: str = "", step: int | None = None, now: datetime) -> None:
    """Take the next step. Raises UnknownRollout, WrongState, Held, Frozen, Stale.

    `step` is the one that the person saw, where that is known: another one is not theirs to end.
    """
    with _acting(rollout_id) as rollout:
        _refuse_stale(rollout, step)
        event = "approve_last" if moving.is_last(rollout) else "approve"
        states.after(rollout.state, event)
        _refuse_frozen(rollout, now)
        last = event == "approve_last"
        said = (
            _decided("Promoted", by, reason) if last else reason or f"the next step was approved by {by.name}"
        )
        moving.up(rollout, event=event, by=by, reason=said, now=now, verdict="approved", problem="")


def skip(*, rollout_id: int, by: Actor, reason: str = "", step: int | None = None, now: datetime) -> None:
    """Take the next step without a PASS, for a reason. Raises as `approve` does, and Refused without one.

    `step` is as in `approve`: without it, of two who skip at once both do. The whole route is no step to skip
    to: that is a promotion.
    """
    with _acting(rollout_id) as rollout:
        _refuse_stale(rollout, step)
        states.after(rollout.state, "skip")
        if not reason.strip():
            raise Refused("reason", "say why this step needs no PASS: it is kept with the rollout")
        if moving.is_last(rollout):
            raise NotNow("rollout", "the next step is the whole route: promote it, or wait for its PASS")
        _refuse_frozen(rollout, now)
        said = f"skipped by {by.name}: {reason}"
        moving.up(rollout, event="skip", by=by, reason=said, now=now, verdict="skipped", problem="")


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
        share = plan.share(rollout.step)
        # Copies that were judged are sent anew.
        kept = rollout.fence is not None and rollout.weight == share and not rollout.push.get("copied")
        if not kept:
            _refuse_frozen(rollout, now)
        moving.leave_step(rollout, verdict="resumed", reason=said, now=now)
        laid: dict[str, Any] = {"push": moving.again(rollout, now=now)} if kept else {}
        if not kept:
            laid = moving.lay_step(rollout, rollout.step, reason=said, by=by, now=now)
            laid["evidence"] = moving.stepped(rollout.evidence)
        moving.commit(rollout, event="resume", by=by, reason=said, now=now, problem="", **laid)
        obeyed = kept and rollout.push.get("verified_at")
        moving.enter_step(rollout, now=now, obeyed_at=now if obeyed else None)


def promote(*, rollout_id: int, by: Actor, reason: str = "", now: datetime) -> None:
    """Give the canary everything, whatever the judge says so far; what bakes is promoted after it has baked.

    While it bakes already this ends the bake. Raises as `approve` does.
    """
    with _acting(rollout_id) as rollout:
        states.after(rollout.state, "promote")
        _refuse_frozen(rollout, now)
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
        why = moving.restore_base(rollout, by=by, reason=reason, now=now)
        if why:
            raise NotNow("route", why)
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
            weight=0,
        )
        telling.closed(rollout, said, by=by, now=now)


def force(*, rollout_id: int, by: Actor, reason: str = "", now: datetime) -> None:
    """Take all back at once of what returns in stages, whatever the other arms can take.

    Raises as `approve` does, and Refused where nothing is kept back any more.
    """
    with _acting(rollout_id) as rollout:
        states.after(rollout.state, "force")
        if not rollout.weight:
            raise NotNow("rollout", "all of it is taken back already: nothing is left to force")
        said = _decided("Taken back at once", by, reason)
        returning.at_once(rollout, by=by, reason=f"{rollout.reason}; {said}", now=now)


def undo(*, rollout_id: int, by: Actor, reason: str = "", now: datetime) -> None:
    """Give back the split that a promotion has replaced: by the overlay at once, and as a revision.

    Refused where the route's split is another one by now. Raises as `approve` does, and LiveRollout.
    """
    try:
        with _acting(rollout_id) as rollout:
            states.after(rollout.state, "undo")
            said = _decided("Promotion undone", by, reason)
            moving.undo(rollout, check=_refuse_changed, by=by, reason=said, now=now)
            telling.undone(rollout, by=by, now=now)
    except IntegrityError as error:
        raise LiveRollout("route", "the route has another rollout by now: end that one first") from error


def _refuse_stale(rollout: Rollout, step: int | None) -> None:
    if step is not None and step != rollout.step:
        raise Stale("step", f"somebody was first: the rollout is at {rollout.weight / 100:g} % by now")


def _refuse_changed(rollout: Rollout) -> None:
    """What somebody declared since is not thrown away: the split must be the one that the promotion made."""
    tier = proxy.selectors.base(rollout.tier)
    route = tier.route(rollout.route_name)
    if route is None:
        raise NotNow(
            "route", f"{rollout.route_name} is not in the tier any more: there is nothing to give back"
        )
    split = {arm: weight for arm, weight in route.split.items() if weight > 0}
    if split != {rollout.upstream: WHOLE}:
        runs = ", ".join(f"{arm} {weight / 100:g} %" for arm, weight in split.items()) or "no upstream"
        raise NotNow("route", f"the split of {rollout.route_name} was changed since the promotion, to {runs}")
    gone = [arm for arm, weight in rollout.base.items() if weight > 0 and tier.upstream(arm) is None]
    if gone:
        raise NotNow("route", f"{', '.join(gone)}, which had the traffic before, is not in the tier any more")


def _refuse_frozen(rollout: Rollout, now: datetime) -> None:
    """The way out is what is declared: a revision, with its author and reason."""
    hold = moving.frozen(rollout, now)
    if hold:
        raise Frozen("route", f"{hold.why}; roll back, {hold.remedy}")


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
