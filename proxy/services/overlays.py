"""Leases and overlays: every action on a running tier is a leased row, and undoing it is deleting the row.

A fence is the number of a lease. A target's floor is the lowest fence that may still act on it: deleting an
overlay raises the floor past its fence, so that a worker which stalled before its write cannot bring the
overlay back.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from audit import services as audit
from audit.domain.actor import Actor, automation
from proxy import selectors
from proxy.domain import patches
from proxy.domain.errors import Invalid, StaleFence, TargetTaken
from proxy.models import Overlay, Target
from proxy.models import Tier as TierRecord
from proxy.services.declaring import bump, locked


def lease(*, tier: str, target: str, owner: str, until: datetime, by: Actor, now: datetime) -> int:
    """Hold `target` for `owner` until then; returns the fence.

    The same owner gets the same fence again, unless its overlay was deleted in between. Raises UnknownTier,
    UnknownTarget, TargetTaken.
    """
    with transaction.atomic():
        record = locked(tier)
        patches.check_target(selectors.base(tier), target)
        row = _target(record, target)
        _refuse_another(row, owner, now)
        renewed = row.owner == owner and row.fence >= row.fence_floor
        if not renewed:
            row.fence = max(row.fence + 1, row.fence_floor)
            row.owner = owner
        row.leased_until = max(until, row.leased_until or until) if renewed else until
        row.save(update_fields=["fence", "owner", "leased_until"])
        if not renewed:
            _audit(tier, target, "target.leased", "", by, now, owner=owner, fence=row.fence)
        return row.fence


def put_overlay(
    *,
    tier: str,
    target: str,
    owner: str,
    patch: Mapping[str, Any],
    fence: int,
    expires_at: datetime,
    by: Actor,
    reason: str,
    now: datetime,
) -> int:
    """Lay `patch` over the base until `expires_at`, in place of the owner's overlay on the target.

    Returns the tier's generation that contains it. The lease is held at least as long as the overlay. Raises
    StaleFence, TargetTaken, UnknownTarget, UnknownTier, Invalid; then nothing is changed.
    """
    with transaction.atomic():
        record = locked(tier)
        _check_patch(tier, target, patch, expires_at, now)
        row = _held(record, target, owner, fence)
        generation = bump(record)
        fields = {
            "owner": owner,
            "patch": dict(patch),
            "fence": fence,
            "generation": generation,
            "reason": reason,
            "created_at": now,
            "expires_at": expires_at,
        }
        Overlay.objects.update_or_create(target=row, defaults=fields)
        _hold_until(row, expires_at)
        _audit(
            tier,
            target,
            "overlay.put",
            reason,
            by,
            now,
            owner=owner,
            fence=fence,
            patch=dict(patch),
            generation=generation,
            expires_at=expires_at.isoformat(),
        )
        return generation


def renew_overlay(
    *, tier: str, target: str, owner: str, fence: int, expires_at: datetime, now: datetime
) -> None:
    """Move a live overlay's expiry, and its lease. What the proxies run does not change, so no generation.

    Raises StaleFence where the overlay is gone or expired: it must then be put again, on purpose.
    """
    with transaction.atomic():
        record = locked(tier)
        row = _held(record, target, owner, fence)
        renewed = Overlay.objects.filter(target=row, owner=owner, fence=fence, expires_at__gt=now).update(
            expires_at=expires_at
        )
        if not renewed:
            raise StaleFence(f"{owner} has no live overlay on {target}")
        _hold_until(row, expires_at)


def delete_overlay(
    *,
    tier: str,
    target: str,
    owner: str,
    fence: int,
    by: Actor,
    reason: str,
    now: datetime,
    release: bool = True,
) -> int:
    """Take the owner's overlay away and raise the target's floor past `fence`; returns the generation without
    it.

    Doing it twice changes nothing more. Another owner's overlay or lease on the target is left alone. Raises
    StaleFence or TargetTaken for a fence that this owner was never given.
    """
    with transaction.atomic():
        record = locked(tier)
        row = _target(record, target)
        _refuse_what_was_not_given(row, owner, fence)
        gone, _ = Overlay.objects.filter(target=row, owner=owner, fence__lte=fence).delete()
        row.fence_floor = max(row.fence_floor, fence + 1)
        if release and row.owner == owner and row.fence <= fence:
            row.owner = ""
            row.leased_until = None
        row.save(update_fields=["fence_floor", "owner", "leased_until"])
        if not gone:
            return record.generation
        generation = bump(record)
        _audit(
            tier,
            target,
            "overlay.deleted",
            reason,
            by,
            now,
            owner=owner,
            fence=fence,
            generation=generation,
        )
        return generation


def expire(*, now: datetime) -> int:
    """Delete what has run out, as the ADS server already renders without it; returns how many overlays went.

    The floor rises past each, so that a late writer cannot resurrect it with the old fence.
    """
    due = Overlay.objects.filter(expires_at__lte=now).values_list("target__tier__name", flat=True)
    return sum(_expire_in(tier, now) for tier in sorted(set(due)))


def _expire_in(tier: str, now: datetime) -> int:
    with transaction.atomic():
        record = locked(tier)
        due = list(Overlay.objects.filter(target__tier=record, expires_at__lte=now).select_related("target"))
        for overlay in due:
            Target.objects.filter(pk=overlay.target_id, fence_floor__lte=overlay.fence).update(
                fence_floor=overlay.fence + 1
            )
            _audit(
                tier,
                overlay.target.name,
                "overlay.expired",
                "its time ran out",
                automation("expiry"),
                now,
                owner=overlay.owner,
                fence=overlay.fence,
            )
            overlay.delete()
        if due:
            bump(record)
        return len(due)


def _target(record: TierRecord, name: str) -> Target:
    return Target.objects.get_or_create(tier=record, name=name)[0]


def _held(record: TierRecord, name: str, owner: str, fence: int) -> Target:
    row = _target(record, name)
    if row.owner and row.owner != owner:
        raise TargetTaken(row.owner)
    if row.owner != owner or fence != row.fence or fence < row.fence_floor:
        raise StaleFence(f"fence {fence} on {name} is not the one that holds it ({row.fence})")
    return row


def _refuse_what_was_not_given(row: Target, owner: str, fence: int) -> None:
    """The floor may rise past one's own fence only, or it would silence another owner's overlay."""
    if fence > row.fence:
        raise StaleFence(f"fence {fence} on {row.name} was never given out")
    if fence == row.fence and row.owner not in ("", owner):
        raise TargetTaken(row.owner)


def _refuse_another(row: Target, owner: str, now: datetime) -> None:
    held = row.owner and row.owner != owner and row.leased_until is not None and row.leased_until > now
    if held:
        raise TargetTaken(row.owner)
    still_there = Overlay.objects.filter(target=row, expires_at__gt=now, fence__gte=F("target__fence_floor"))
    if row.owner != owner and still_there.exclude(owner=owner).exists():
        raise TargetTaken(row.owner)


def _hold_until(row: Target, until: datetime) -> None:
    row.leased_until = max(until, row.leased_until or until)
    row.save(update_fields=["leased_until"])


def _check_patch(
    tier: str, target: str, patch: Mapping[str, Any], expires_at: datetime, now: datetime
) -> None:
    base = selectors.base(tier)
    patches.check_target(base, target)
    if patches.target_of(patch) != target:
        raise Invalid([("target", f"the patch changes {patches.target_of(patch)}, not {target}")])
    if expires_at <= now:
        raise Invalid([("expires_at", "is over already")])
    patches.check(base, patch)


def _audit(tier: str, target: str, action: str, reason: str, by: Actor, now: datetime, **detail: Any) -> None:
    audit.record(by=by, action=action, target=f"{tier}/{target}", reason=reason, now=now, detail=detail)
