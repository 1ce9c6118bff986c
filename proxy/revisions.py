"""Describes what was published: every base configuration with who, when, why and what it changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from proxy import bases, differences, models, observed
from proxy.domain.difference import Change
from proxy.domain.errors import Invalid, UnknownRevision
from proxy.domain.tier import Tier


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One published base configuration, without its document."""

    number: int
    by: str
    reason: str
    at: datetime


def revisions(tier: str) -> list[RevisionRow]:
    """The newest first."""
    found = models.Revision.objects.filter(tier__name=tier)
    return [_row(row) for row in found.defer("document")]


def revision(tier: str, number: int) -> RevisionRow:
    """Raises UnknownRevision."""
    return _row(_record(tier, number))


def published(tier: str, number: int) -> Tier:
    """The tier as it was published then, whatever rules came since.

    Raises UnknownRevision, and Invalid where it is not understood, such as for keys that a later Sluice knew.
    """
    record = _record(tier, number)
    found = bases.read(tier, record.pk, record.digest)
    if found.unread:
        raise Invalid((f"revision {number}: {path}", why) for path, why in found.unread)
    return found.tier


def changes(tier: str, before: int, after: int) -> tuple[Change, ...]:
    """What differs between two revisions, as `apply --plan` says it; 0 is before the first.

    Raises UnknownRevision or Invalid.
    """
    old = published(tier, before) if before else None
    return differences.between(old, published(tier, after))


def declaration(tier: str, number: int) -> dict[str, Any]:
    """The revision as a person would declare it. Raises UnknownRevision or Invalid."""
    return published(tier, number).declaration()


def _record(tier: str, number: int) -> models.Revision:
    found = models.Revision.objects.filter(tier__name=tier, number=number).first()
    if found is None and not models.Tier.objects.filter(name=tier).exists():
        raise observed.absent(tier)
    if found is None:
        raise UnknownRevision(f"tier {tier} has no revision {number}")
    return found


def _row(record: models.Revision) -> RevisionRow:
    return RevisionRow(record.number, record.by, record.reason, record.at)
