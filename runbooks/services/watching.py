"""Watches what a run did: whether it worked, and then whether it is still needed."""

from datetime import datetime, timedelta

from django.db import transaction

from runbooks.domain.measures import as_data
from runbooks.models import Run
from runbooks.services import holding
from runbooks.services.looking import BY, Look, is_told, lost, measures
from runbooks.services.moving import move
from runbooks.services.reverting import revert

LATE = timedelta(seconds=10)
"""Rounds are no later than this: a loss so shortly before the end is the end."""


def verifying(run: Run, look: Look) -> bool:
    """Did it work? Not clear is watched once more, and then taken back."""
    if stays(run, look):
        return True
    applied_at = run.applied_at or run.entered_at
    verdict = look.judge.verify(
        measures(run, since=applied_at),
        holding.before(run),
        applied_at=applied_at,
        extended=run.extended,
        now=look.now,
    )
    evidence = as_data(look.measure)
    if verdict.outcome == "no":
        return revert(run, look, "FAILED_REVERTED", verdict.why)
    if verdict.outcome == "yes":
        with transaction.atomic():
            move(run, "worked", why=verdict.why, by=BY, now=look.now, evidence=evidence)
            holding.mitigated(run, look.judge, look.measure, why=verdict.why, now=look.now)
        return True
    if verdict.extend:
        with transaction.atomic():
            move(run, "extend", why=verdict.why, by=BY, now=look.now, evidence=evidence, extended=True)
    return False


def _ended_early(run: Run, look: Look, until: datetime) -> bool:
    """The control plane ends an overlay by its own clock, which a round that began before has not seen."""
    return look.now >= until - LATE and not look.round.killed and bool(lost(run, look))


def taken(run: Run, look: Look) -> bool:
    """Only its time, the kill switch and the loss of its overlays end it; whatever is measured."""
    until = run.overlay_expires_at or look.now
    if look.now >= until or _ended_early(run, look, until):
        return revert(run, look, "SUCCEEDED", "its time is over")
    return stays(run, look)


def stays(run: Run, look: Look) -> bool:
    """Take it back where the kill switch is on, or its overlays are gone; whatever is measured."""
    gone = lost(run, look)
    return revert(run, look, "FAILED_REVERTED", gone) if gone else False


def holds(run: Run, look: Look) -> bool:
    """Is it still needed, and does it still do no harm?"""
    if taken(run, look):
        return True
    until = run.overlay_expires_at or look.now
    since = max(run.entered_at, look.now - look.policy.quiet_for)
    # While the cause lasts, the newest measure says all; its quiet time is read when it may be over.
    seen = measures(run, since=since) if look.judge.healthy(look.measure) else [look.measure]
    verdict = look.judge.hold(seen, holding.before(run), since=run.entered_at, until=until, now=look.now)
    if verdict.outcome == "wait":
        if is_told(run.pk, look.now):
            holding.stands(run, look.judge, look.measure, now=look.now)
        return False
    return revert(run, look, "SUCCEEDED" if verdict.outcome == "yes" else "FAILED_REVERTED", verdict.why)
