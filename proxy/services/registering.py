"""Endpoints that a service registry pushes: without a revision, and no cluster is rebuilt."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from audit import services as audit
from audit.domain.actor import Actor, automation
from proxy import selectors
from proxy.domain import registry
from proxy.domain.errors import Invalid, UnknownUpstream
from proxy.models import Registration, Upstream
from proxy.services.declaring import bump, locked

TOLD_EVERY = timedelta(minutes=1)
"""A registry whose endpoints come and go each second fills no audit: a minute's changes are one row."""


def register(
    *,
    tier: str,
    upstream: str,
    endpoints: Sequence[Any],
    by: Actor,
    now: datetime,
    force: bool = False,
) -> int:
    """These are the upstream's endpoints now, all of them; returns the tier's generation that serves them.

    The same ones again only say that the registry lives. They stay when it falls silent. Raises UnknownTier,
    UnknownUpstream, or Invalid; then nothing is changed.
    """
    found = registry.endpoints(endpoints, force=force)
    document = [each.model_dump(mode="json", exclude_defaults=True) for each in found]
    with transaction.atomic():
        record = locked(tier)
        _check(tier, upstream)
        row = Upstream.objects.get(tier=record, name=upstream)
        fresh = {"endpoints": document, "by": by.name, "changed_at": now, "pushed_at": now}
        registration, made = Registration.objects.get_or_create(upstream=row, defaults=fresh)
        changed = made or registration.endpoints != document
        registration.by, registration.pushed_at = by.name, now
        if changed:
            registration.endpoints, registration.changed_at = document, now
        registration.save()
        _tell(registration, by, now)
        return bump(record) if changed else record.generation


def audit_registrations(*, now: datetime) -> None:
    """Tell what changed within the minute after the last word, of registries that have said nothing since."""
    with transaction.atomic():
        for registration in Registration.objects.select_for_update().filter(audited_at__lte=now - TOLD_EVERY):
            _tell(registration, automation("registry"), now)


def _check(tier: str, name: str) -> None:
    declared = selectors.base(tier).upstream(name)
    if declared is None:
        raise UnknownUpstream(f"tier {tier} has no upstream {name}")
    if declared.discovery != "registry":
        raise Invalid([("upstream", f"{name} declares its endpoints: discovery: registry has them pushed")])


def _tell(registration: Registration, by: Actor, now: datetime) -> None:
    labels = [_label(each) for each in registration.endpoints]
    told_at = registration.audited_at
    if labels == registration.audited or (told_at is not None and now - told_at < TOLD_EVERY):
        return
    before, after = set(registration.audited), set(labels)
    audit.record(
        by=by,
        action="endpoints.registered",
        target=f"{registration.upstream.tier.name}/upstream/{registration.upstream.name}/endpoints",
        reason="",
        now=now,
        detail={"came": sorted(after - before), "went": sorted(before - after), "endpoints": len(labels)},
    )
    registration.audited, registration.audited_at = labels, now
    registration.save(update_fields=["audited", "audited_at"])


def _label(endpoint: Mapping[str, Any]) -> str:
    return str(endpoint.get("name") or f"{endpoint.get('address', '127.0.0.1')}:{endpoint['port']}")
