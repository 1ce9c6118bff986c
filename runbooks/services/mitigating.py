"""Does the steps of a decided plan one after the other, and sees that every proxy runs its overlays.

INTENT of the overlays is the move to MITIGATING with their leases; OUTCOME is `put`, committed together with
them. A worker that dies between leaves MITIGATING without a generation, and the next tick puts. Other steps
are done by `performing`.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from proxy.domain.errors import ProxyError
from runbooks.domain.measures import as_data
from runbooks.domain.plan import PlannedStep, plan_from
from runbooks.models import Run
from runbooks.services import acting, gating, holding, performing, telling
from runbooks.services.looking import BY, Look, acted, missing
from runbooks.services.moving import lock, move
from runbooks.services.reverting import revert

# A worker that was killed holds its claim for a third of it.
INTENT_HOLDS = timedelta(seconds=12)


def mitigating(run: Run, look: Look) -> bool:
    """Do what is next, or see how far it is."""
    if look.round.killed:
        return revert(run, look, "FAILED_REVERTED", "the kill switch is on")
    turn = performing.turn_of(run)
    if turn == performing.OVERLAYS:
        return _put(run, look)
    progress = look.round.progress(run)
    if progress.complete:
        # What stands behind the overlays waits until every proxy obeys them.
        return _applied(run, look) if turn is None else _perform(run, look, turn)
    if progress.nacks:
        who, reason = next(iter(progress.nacks.items()))
        return revert(run, look, "FAILED_REVERTED", f"{who} refused it: {reason}")
    if look.now - run.entered_at >= look.policy.ack_within:
        why = f"not acknowledged in time by {missing(progress.acked)}"
        return revert(run, look, "FAILED_REVERTED", why)
    return False


def _perform(run: Run, look: Look, step: PlannedStep) -> bool:
    failed = performing.perform(run, look, step, old=_is_old(run, look))
    if failed:
        return revert(run, look, "FAILED_REVERTED", failed)
    return failed is not None


def _is_old(run: Run, look: Look) -> bool:
    return look.now - run.entered_at > INTENT_HOLDS


def _put(run: Run, look: Look) -> bool:
    """Lay the overlays and commit that with the outcome, unless the intent has grown old."""
    if _is_old(run, look):
        return revert(run, look, "FAILED_REVERTED", performing.TOO_OLD)
    expires_at = look.now + timedelta(seconds=plan_from(run.plan or {}).expires_after_seconds)
    try:
        with transaction.atomic():
            lock(run)
            gating.refuse_when_killed()
            generation = acting.put(run, expires_at=expires_at, by=BY, now=look.now)
            why = f"laid over {run.tier} as generation {generation}"
            fields: dict[str, Any] = {"generation": generation, "overlay_expires_at": expires_at}
            move(run, "put", why=why, by=BY, now=look.now, **fields)
            telling.did(run, _what(run, expires_at), look.now)
            acted(run, _what(run, expires_at), look.now)
    except gating.Killed as error:
        return revert(run, look, "FAILED_REVERTED", str(error))
    except ProxyError as error:
        # When the fence is stale since a person cancelled, this move finds the version changed, too.
        return revert(run, look, "FAILED_REVERTED", f"could not be laid: {error}")
    look.round.forget(run.tier)
    return True


def _applied(run: Run, look: Look) -> bool:
    """Acknowledged by all; what a proxy shows to run otherwise overrules its acknowledgement."""
    read = acting.read_back(run, look.round.admin, now=look.now)
    for name, reading in read.items():
        if reading.contradicts:
            why = f"{name} acknowledged it, but {reading.says}"
            return revert(run, look, "FAILED_REVERTED", why)
    evidence = {"read_back": {name: reading.says for name, reading in read.items()}}
    why = "every proxy acknowledged it" if read else "all of it is done"
    with transaction.atomic():
        # Without an overlay nothing ends by itself: the run does.
        ends = run.overlay_expires_at or look.now + look.policy.expiry
        before = look.judge.baseline(holding.before(run), look.measure)
        fields: dict[str, Any] = {
            "applied_at": look.now,
            "overlay_expires_at": ends,
            "before": as_data(before),
        }
        move(run, "applied", why=why, by=BY, now=look.now, evidence=evidence, **fields)
    return True


def _what(run: Run, until: datetime) -> str:
    did = plan_from(run.plan or {}).summary
    return f"Run {run.pk} acted: {did}; it ends by itself at {until:%H:%M:%S} UTC"
