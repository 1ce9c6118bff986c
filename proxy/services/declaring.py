"""Publishing base configuration: a revision holds the whole tier, rows follow it by name."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from audit import services as audit
from audit.domain.actor import Actor
from proxy import bases, differences, meanings, observed, revisions, sections, selectors, validation
from proxy.domain import document as declaration
from proxy.domain import patches
from proxy.domain.errors import Invalid, Overtaken, Problem, ProxyError, UnknownRoute
from proxy.domain.tier import Route as RouteDeclared
from proxy.domain.tier import Tier
from proxy.models import Revision
from proxy.models import Tier as TierRecord
from proxy.services import observing
from proxy.services.mirroring import mirror

Gate = Callable[[Tier], list[Problem]]
"""A last check of a whole tier before it is published, such as Envoy itself; returns what is wrong."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a declaration did: the last new revision's number (None: nothing was new), the changes, which
    observed tiers are watched otherwise than before, and what costs more than it need.
    """

    revision: int | None
    changes: tuple[str, ...]
    revisions: dict[str, int]
    observed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def apply(
    *,
    document: Mapping[str, Any],
    by: Actor,
    reason: str,
    now: datetime,
    gate: Gate = validation.check,
    made_from: Mapping[str, int] | None = None,
) -> Applied:
    """Publish every tier of a document whose declaration differs from what is published, and take in what it
    declares beside them.

    Raises Invalid with all mistakes, and then nothing is changed. `gate` is asked before anything is written.
    A route's split stays its overlay's owner's as long as the overlay lives: it would not be served, and the
    owner would end by putting back what it began with.

    `made_from` says of tiers which revision the declaration was made from (0: of a tier that was not there).
    Raises Overtaken where that is not the newest any more, so that no other's change is lost unseen.
    """
    tiers = declaration.parse(document, beside=sections.names())
    watched = declaration.observed(document)
    problems = observing.problems(driven=[tier.name for tier in tiers], watched=[])
    problems += [problem for tier in tiers for problem in gate(tier)]
    said, more = meanings.said(document, tiers, now=now), sections.said(document, tiers, now=now)
    if problems or said.problems or more.problems:
        raise Invalid([*problems, *said.problems, *more.problems])
    with transaction.atomic():
        news = observing.declare(tiers=watched, by=by, reason=reason, now=now)
        changes = tuple(str(change) for tier in tiers for change in differences.plan(tier))
        published = {}
        places = meanings.places(document)
        for tier in tiers:
            _refuse_overtaken(tier, (made_from or {}).get(tier.name))
            _refuse_held_splits(tier, places[tier.name], now)
            published[tier.name] = _publish(tier, by=by, reason=reason, now=now)
        changes += sections.declare(document, by=by, reason=reason, now=now)
    numbers = {name: revision.number for name, revision in published.items() if revision is not None}
    warnings = (
        *(line for tier in tiers for line in selectors.warnings(tier)),
        *said.warnings,
        *more.warnings,
    )
    return Applied(max(numbers.values(), default=None), changes, numbers, news, warnings)


def publish_split(
    *, tier: str, route: str, weights: Mapping[str, int], by: Actor, reason: str, now: datetime
) -> int:
    """Make these weights (basis points, all arms named) the route's base; returns the revision's number.

    For the owner of the route's weights: its live overlay stays above it, and `apply` keeps everybody else
    from the split. Raises UnknownTier, UnknownRoute or Invalid, also where it would bury a revision that is
    not understood.
    """
    with transaction.atomic():
        record = locked(tier)
        base = _understood(tier)
        if base.route(route) is None:
            raise UnknownRoute(f"tier {tier} has no route {route}")
        changed = patches.apply_patches(base, [{"kind": "weights", "route": route, "weights": dict(weights)}])
        revision = _publish(changed, by=by, reason=reason, now=now)
        return revision.number if revision else record.revisions.latest("number").number


def _understood(tier: str) -> Tier:
    found = bases.base(tier)
    if found.unread:
        raise Invalid((tier, line) for line in found.troubles)
    return found.tier


def locked(tier: str) -> TierRecord:
    """The tier's row, locked until the transaction ends. Raises UnknownTier."""
    try:
        return TierRecord.objects.select_for_update().get(name=tier)
    except TierRecord.DoesNotExist:
        raise observed.absent(tier) from None


def bump(record: TierRecord) -> int:
    """The tier's next generation."""
    TierRecord.objects.filter(pk=record.pk).update(generation=F("generation") + 1)
    record.refresh_from_db(fields=["generation"])
    return record.generation


def digest(document: Mapping[str, Any]) -> str:
    """The same for equal documents, whatever order a database keeps their keys in."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _publish(tier: Tier, *, by: Actor, reason: str, now: datetime) -> Revision | None:
    TierRecord.objects.get_or_create(name=tier.name, defaults={"created_at": now})
    record = locked(tier.name)
    last = record.revisions.first()
    document = tier.document()
    fresh = digest(document)
    if last is not None and last.digest == fresh:
        return None
    _check_overlays(tier, now)
    revision = Revision.objects.create(
        tier=record,
        number=last.number + 1 if last else 1,
        document=document,
        digest=fresh,
        by=by.name,
        reason=reason,
        at=now,
    )
    mirror(record, tier, now)
    generation = bump(record)
    audit.record(
        by=by,
        action="tier.published",
        target=tier.name,
        reason=reason,
        now=now,
        detail={"revision": revision.number, "generation": generation},
    )
    return revision


def _refuse_overtaken(tier: Tier, made_from: int | None) -> None:
    if made_from is None:
        return
    TierRecord.objects.select_for_update().filter(name=tier.name).first()
    newest = Revision.objects.filter(tier__name=tier.name).first()
    number = newest.number if newest else 0
    if newest is None or number == made_from or newest.digest == digest(tier.document()):
        return
    raise Overtaken(tier.name, made_from, number, newest.by, _since(tier.name, made_from, number))


def _since(tier: str, before: int, after: int) -> list[str]:
    try:
        return [str(change) for change in revisions.changes(tier, before, after)]
    except Invalid as error:
        return [f"{path}: {why}" for path, why in error.errors]


def _refuse_held_splits(tier: Tier, path: str, now: datetime) -> None:
    if not TierRecord.objects.filter(name=tier.name).exists():
        return
    locked(tier.name)  # no overlay is laid between this look and the revision
    newest = selectors.base(tier.name)
    owners = {overlay.target: overlay.owner for overlay in selectors.live_overlays(tier.name, now=now)}
    problems = []
    for index, route in enumerate(tier.routes):
        owner = owners.get(f"route/{route.name}/weights")
        old = newest.route(route.name) if owner is not None else None
        if owner is not None and old is not None and _arms(route) != _arms(old):
            problems.append((f"{path}.routes[{index}].split", _held(route.name, owner)))
    if problems:
        raise Invalid(problems)


def _arms(route: RouteDeclared) -> dict[str, int]:
    """The weights that count: an arm of 0 may come and go."""
    return {arm: weight for arm, weight in route.split.items() if weight > 0}


def _held(route: str, owner: str) -> str:
    return (
        f"the split of route {route} is held by {owner}, so another would not be served: "
        f"let {owner} finish or roll it back, then apply again"
    )


def _check_overlays(tier: Tier, now: datetime) -> None:
    """A live overlay must keep its ground: its owner counts on it."""
    for overlay in selectors.live_overlays(tier.name, now=now):
        try:
            patches.check(tier, overlay.patch)
        except ProxyError as error:
            message = f"{overlay.target} is held by {overlay.owner}: {error}"
            raise Invalid([(tier.name, message)]) from error
