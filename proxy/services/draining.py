"""Draining by hand: overlays of a few minutes or hours, with an end like every other."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction

from audit.domain.actor import Actor
from proxy import selectors
from proxy.domain.errors import ProxyUnreachable, UnknownTarget
from proxy.domain.patches import Drain, DrainProxy
from proxy.ports import ProxyAdmin
from proxy.services.asking import asked
from proxy.services.overlays import delete_overlay, lease, put_overlay

OWNER = "operators"
"""One owner for all people: what one began, another may end."""


def drain_endpoint(
    *, tier: str, upstream: str, endpoint: str, until: datetime, by: Actor, reason: str, now: datetime
) -> int:
    """Give the endpoint no new requests until then, besides those that are drained; returns the generation.

    All of them end with the latest. Raises UnknownTier, UnknownTarget, TargetTaken or Invalid.
    """
    target = Drain(upstream=upstream, endpoints=(endpoint,)).target
    with transaction.atomic():
        drained, latest = _drained(tier, target, now)
        patch = Drain(upstream=upstream, endpoints=tuple(sorted({*drained, endpoint})))
        return _put(tier, patch.model_dump(mode="json"), target, max(until, latest or until), by, reason, now)


def undrain_endpoint(
    *, tier: str, upstream: str, endpoint: str, by: Actor, reason: str, now: datetime
) -> int:
    """Give the endpoint requests again. Doing it twice changes nothing more."""
    target = Drain(upstream=upstream, endpoints=(endpoint,)).target
    with transaction.atomic():
        drained, latest = _drained(tier, target, now)
        left = tuple(label for label in drained if label != endpoint)
        if not left or latest is None:
            return _delete(tier, target, by, reason, now)
        patch = Drain(upstream=upstream, endpoints=left)
        return _put(tier, patch.model_dump(mode="json"), target, latest, by, reason, now)


def drain_proxy(*, tier: str, proxy: str, until: datetime, by: Actor, reason: str, now: datetime) -> int:
    """Have the proxy left until then. It is told by `settle_drains`; returns the generation.

    Raises UnknownTier, UnknownTarget, TargetTaken or Invalid.
    """
    if selectors.base(tier).proxy(proxy) is None:
        raise UnknownTarget(f"tier {tier} has no proxy {proxy}")
    patch = DrainProxy(proxy=proxy)
    return _put(tier, patch.model_dump(mode="json"), patch.target, until, by, reason, now)


def undrain_proxy(*, tier: str, proxy: str, by: Actor, reason: str, now: datetime) -> int:
    """Have the proxy used again. Doing it twice changes nothing more."""
    return _delete(tier, DrainProxy(proxy=proxy).target, by, reason, now)


def settle_drains(*, admin: ProxyAdmin, now: datetime, only: str | None = None) -> None:
    """Tell every proxy whose state is another than its overlay's. One that does not answer is told later.

    `only` is a proxy's name: who drains one does not wait for those that do not answer.
    """
    drained = {(row.tier, row.target) for row in selectors.live_overlays(now=now)}
    proxies = [each for tier in selectors.tiers() for each in tier.proxies if only in (None, each.name)]
    wanted = [
        (each.admin_address, (each.tier, DrainProxy(proxy=each.name).target) in drained) for each in proxies
    ]
    asked(partial(_settle, admin), wanted)


def _settle(admin: ProxyAdmin, wanting: tuple[str, bool]) -> None:
    address, wanted = wanting
    try:
        if admin.draining(address) != wanted:
            admin.drain(address, wanted)
    except ProxyUnreachable:
        return


def _drained(tier: str, target: str, now: datetime) -> tuple[tuple[str, ...], datetime | None]:
    for row in selectors.live_overlays(tier, now=now):
        if row.target == target and row.owner == OWNER:
            return tuple(row.patch["endpoints"]), row.expires_at
    return (), None


def _put(
    tier: str, patch: Mapping[str, Any], target: str, until: datetime, by: Actor, reason: str, now: datetime
) -> int:
    with transaction.atomic():
        fence = lease(tier=tier, target=target, owner=OWNER, until=until, by=by, now=now)
        return put_overlay(
            tier=tier,
            target=target,
            owner=OWNER,
            patch=patch,
            fence=fence,
            expires_at=until,
            by=by,
            reason=reason,
            now=now,
        )


def _delete(tier: str, target: str, by: Actor, reason: str, now: datetime) -> int:
    held = next((row for row in selectors.targets(tier) if row.name == target and row.owner == OWNER), None)
    if held is None:
        return selectors.generation(tier)
    return delete_overlay(
        tier=tier, target=target, owner=OWNER, fence=held.fence, by=by, reason=reason, now=now
    )
