"""Fleets that somebody else drives: which ones are watched, and what their proxies say that they run."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import F

from audit import services as audit
from audit.domain.actor import Actor
from proxy.domain import observing
from proxy.domain.errors import Invalid, Problem, ProxyUnreachable, UnknownTier
from proxy.domain.observed import ObservedTier as Declared
from proxy.models import ObservedProxy, ObservedTier, Tier
from proxy.ports import ProxyAdmin

AT_ONCE = 5
"""So many proxies are looked at in one tick: each may take a few seconds to give no answer."""


def problems(*, driven: Iterable[str], watched: Iterable[str]) -> list[Problem]:
    """Names that the other kind has: a word in a file does not make an observed tier of a driven one."""
    wrong: list[Problem] = []
    for name in Tier.objects.filter(name__in=watched, generation__gt=0).values_list("name", flat=True):
        wrong.append((f"{name}.observed", "this tier is driven; watch the other fleet under another name"))
    for name in ObservedTier.objects.filter(name__in=driven).values_list("name", flat=True):
        message = f"this tier is observed; `manage.py observed {name} --forget` ends that"
        wrong.append((name, message))
    return wrong


def declare(*, tiers: Iterable[Declared], by: Actor, reason: str, now: datetime) -> tuple[str, ...]:
    """Watch these tiers; returns those that were not watched in just this way before. Raises Invalid."""
    with transaction.atomic():
        return tuple(tier.name for tier in tiers if _declared(tier, by=by, reason=reason, now=now))


def forget(*, tier: str, by: Actor, reason: str, now: datetime) -> None:
    """Watch it no longer. Nothing changes at the fleet. Raises UnknownTier."""
    with transaction.atomic():
        gone, _ = ObservedTier.objects.filter(name=tier).delete()
        if not gone:
            raise UnknownTier(f"there is no observed tier {tier}")
        audit.record(by=by, action="tier.forgotten", target=tier, reason=reason, now=now, detail={})


def watch(*, admin: ProxyAdmin, now: datetime) -> None:
    """Read the configuration of the few proxies that were looked at longest ago.

    One that does not answer keeps its last picture, which then grows old, and the reason beside it.
    """
    with_admin = ObservedProxy.objects.exclude(admin="")
    for proxy in with_admin.order_by(F("looked_at").asc(nulls_first=True))[:AT_ONCE]:
        _look(proxy, admin, now)


def _look(proxy: ObservedProxy, admin: ProxyAdmin, now: datetime) -> None:
    rows = ObservedProxy.objects.filter(pk=proxy.pk)
    try:
        seen = observing.read(admin.config_dump(proxy.admin))
    except ProxyUnreachable as error:
        rows.update(looked_at=now, trouble=str(error))
        return
    trouble = "" if seen.source != "nothing" else "it answers, but with no configuration dump"
    if trouble:
        rows.update(looked_at=now, trouble=trouble)
    else:
        kept = observing.document(seen)
        rows.update(looked_at=now, read_at=now, trouble="", seen=kept, digest=observing.digest(kept))


def _declared(tier: Declared, *, by: Actor, reason: str, now: datetime) -> bool:
    document = tier.model_dump(mode="json")
    wrong = problems(driven=(), watched=[tier.name])
    if wrong:
        raise Invalid(wrong)
    record = ObservedTier.objects.select_for_update().filter(name=tier.name).first()
    if record is not None and record.document == document:
        return False
    record, _ = ObservedTier.objects.update_or_create(
        name=tier.name, defaults={"document": document, "declared_at": now}
    )
    record.proxies.exclude(name__in=[proxy.name for proxy in tier.proxies]).delete()
    for proxy in tier.proxies:
        _declared_proxy(record, proxy.name, proxy.admin or "")
    audit.record(by=by, action="tier.observed", target=tier.name, reason=reason, now=now, detail=document)
    return True


def _declared_proxy(record: ObservedTier, name: str, admin: str) -> None:
    """What was read from another address is no picture of this one."""
    row, _ = ObservedProxy.objects.get_or_create(tier=record, name=name, defaults={"admin": admin})
    if row.admin != admin:
        ObservedProxy.objects.filter(pk=row.pk).update(
            admin=admin, seen=None, digest="", read_at=None, looked_at=None, trouble=""
        )
