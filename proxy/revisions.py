"""Describes what was published: every base configuration with who, when, why and what it changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from proxy import differences, models, observed
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
    """The tier as it was published then.

    Raises UnknownRevision, and Invalid where it was published by a Sluice that knew other fields.
    """
    try:
        return Tier.model_validate(_record(tier, number).document)
    except ValidationError as error:
        problems = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise Invalid(problems) from error


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
