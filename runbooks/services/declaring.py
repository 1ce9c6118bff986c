"""Runbooks of teams' own: declared, changed, deleted by adding a version. A run keeps what it began with."""

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

import alerts.services
import audit.services
import proxy.selectors
from audit.domain.actor import Actor
from proxy.domain.difference import Change, entity
from runbooks import shelf, texts
from runbooks.domain.targets import labels_of
from runbooks.domain.writing import Written, lines_of
from runbooks.models import Detection, Run, RunbookVersion, Setting


class BuiltIn(Exception):
    """The runbook comes with Sluice: it is neither overwritten nor deleted."""


class InUse(Exception):
    """Something counts on the runbook: a run, or a tier that names it."""


class ChangedMeanwhile(Exception):
    """Somebody else declared the runbook at the same moment."""


def changes(declared: Sequence[Written]) -> tuple[Change, ...]:
    """What declaring these would change, by name and field; writes nothing."""
    kept = shelf.newest()
    found: list[Change] = []
    for one in declared:
        old = kept[one.slug].written if one.slug in kept else None
        if old is None or old.digest != one.digest:
            found += entity("runbook", one.slug, lines_of(old) if old else None, lines_of(one))
    return tuple(found)


@transaction.atomic
def declare(*, declared: Sequence[Written], by: Actor, reason: str, now: datetime) -> tuple[str, ...]:
    """Add a version of each that says something new; returns what changed, a line each.

    They must be without mistakes (`domain.mistakes`). Raises BuiltIn, ChangedMeanwhile.
    """
    said = tuple(str(change) for change in changes(declared))
    for one in declared:
        if one.slug in texts.built_in():
            raise BuiltIn(f"{one.slug} comes with Sluice: give yours another name")
        last = _locked(one.slug)
        if last is not None and not last.gone and shelf.version(last).written.digest == one.digest:
            continue
        _add(one.slug, last, source=one.source, by=by, reason=reason, now=now)
        if last is not None:
            _clear(one.slug, keep=str(one.front.get("scope", "route")), by=by, now=now)
    return said


@transaction.atomic
def delete(*, slug: str, by: Actor, reason: str, now: datetime) -> None:
    """Take the runbook away, with how far it might go: who declares it again begins at `observe`.

    Its versions stay to be read. Raises UnknownRunbook, BuiltIn, InUse.
    """
    if slug in texts.built_in():
        raise BuiltIn(f"{slug} comes with Sluice: set its mode to observe where it is not wanted")
    last = _locked(slug)
    if last is None or last.gone:
        raise texts.UnknownRunbook(f"there is no runbook {slug}")
    _refuse_used(slug)
    Setting.objects.filter(runbook=slug).delete()
    _clear(slug, keep="", by=by, now=now)
    _add(slug, last, source="", gone=True, by=by, reason=reason, now=now)


def _clear(slug: str, *, keep: str, by: Actor, now: datetime) -> None:
    """Nobody looks any more at targets of another scope than `keep`: what fires there would fire for ever."""
    looks = Detection.objects.filter(runbook=slug).exclude(scope=keep)
    for row in looks.exclude(incident=None):
        labels = labels_of(row.tier, row.scope, row.subject)
        alerts.services.clear(rule=slug, labels=labels, why="no runbook watches it", by=by, now=now)
    looks.delete()


def _refuse_used(slug: str) -> None:
    run = Run.objects.open().filter(runbook=slug).first()
    if run is not None:
        raise InUse(f"run {run.pk} is open: let it end, or cancel it, then delete {slug}")
    for row in proxy.selectors.tiers():
        tier = proxy.selectors.base(row.name)
        if slug in tier.runbooks or slug in {one.runbook for one in tier.objectives}:
            raise InUse(f"tier {tier.name} names {slug}: take it out there, then delete it")


def _locked(slug: str) -> RunbookVersion | None:
    return RunbookVersion.objects.select_for_update().filter(slug=slug).order_by("-id").first()


def _add(
    slug: str,
    last: RunbookVersion | None,
    *,
    source: str,
    gone: bool = False,
    by: Actor,
    reason: str,
    now: datetime,
) -> None:
    number = last.number + 1 if last else 1
    try:
        with transaction.atomic():
            RunbookVersion.objects.create(
                slug=slug, number=number, source=source, gone=gone, by=by.name, reason=reason, at=now
            )
    except IntegrityError:
        raise ChangedMeanwhile(f"somebody else declared {slug} just now: look at it again") from None
    audit.services.record(
        by=by,
        action="runbook.deleted" if gone else "runbook.declared",
        target=f"runbook/{slug}",
        reason=reason,
        now=now,
        detail={"version": number},
    )
