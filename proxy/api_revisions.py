"""The API of what is published: revisions, what lies between them, publishing and going back."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from ninja import Field, Query, Schema

from access.permission import ApiRequest, owns
from access.problem import Problem
from access.schema import Request
from proxy import api as tiers
from proxy import revisions, selectors, services, validation
from proxy.domain.difference import Change
from proxy.domain.errors import Invalid, Overtaken, UnknownRevision, UnknownTier
from proxy.revisions import RevisionRow
from proxy.services import Applied

# The same router: `tiers/{tier}` is read there and published here.
router = tiers.router


class RevisionOut(Schema):
    """One published base configuration; `declaration` is the tier as a person would write it."""

    number: int
    by: str
    reason: str
    at: datetime


class RevisionDetail(RevisionOut):
    """With the tier as a person would declare it."""

    declaration: dict[str, Any]


class ChangeOut(Schema):
    """One field of one of Envoy's resources, or what came or went as a `whole`.

    A side that is not there is null.
    """

    kind: str
    name: str
    path: str
    before: str | None
    after: str | None
    whole: bool


class Between(Request):
    """Two revisions; 0 is before the first."""

    before: int = Field(ge=0)
    after: int = Field(ge=1)


class RevertIn(Request):
    """Why, and the newest revision that the person saw: with it, a change since then is not lost."""

    reason: str = Field(min_length=1, max_length=500)
    base_revision: int | None = Field(None, ge=0)


class DeclarationIn(RevertIn):
    """The whole tier as a person declares it: what is left out goes."""

    declaration: dict[str, Any]


class PublishedOut(Schema):
    """What it came to: `revision` is null where nothing was new."""

    tier: str
    revision: int | None
    changes: list[str]
    warnings: list[str]

    @classmethod
    def of(cls, tier: str, applied: Applied) -> "PublishedOut":
        return cls(
            tier=tier,
            revision=applied.revision,
            changes=list(applied.changes),
            warnings=list(applied.warnings),
        )


@router.get("/tiers/{tier}/revisions", response=list[RevisionOut])
def tier_revisions(request: ApiRequest, tier: str) -> list[RevisionRow]:
    """Every revision, the newest first."""
    with _told():
        selectors.tier(tier)
    return revisions.revisions(tier)


@router.get("/tiers/{tier}/revisions/{number}", response=RevisionDetail)
def tier_revision(request: ApiRequest, tier: str, number: int) -> dict[str, Any]:
    """One revision with its declaration."""
    with _told():
        row, declared = revisions.revision(tier, number), revisions.declaration(tier, number)
    return {"number": row.number, "by": row.by, "reason": row.reason, "at": row.at, "declaration": declared}


@router.get("/tiers/{tier}/changes", response=list[ChangeOut])
def tier_changes(request: ApiRequest, tier: str, asked: Query[Between]) -> list[Change]:
    """What differs between two revisions, in Envoy's terms."""
    with _told():
        return list(revisions.changes(tier, asked.before, asked.after))


@router.post("/tiers/{tier}/revisions/{number}/revert", response=PublishedOut, auth=owns)
def revert(request: ApiRequest, tier: str, number: int, given: RevertIn) -> PublishedOut:
    """Go back: the revision is published anew, by the same checks as any declaration."""
    with _told():
        applied = services.revert(
            tier=tier,
            number=number,
            by=request.auth,
            reason=given.reason,
            now=timezone.now(),
            made_from=given.base_revision,
            gate=validation.check_with_envoy,
        )
    return PublishedOut.of(tier, applied)


@router.put("/tiers/{tier}", response=PublishedOut, auth=owns)
def declare(request: ApiRequest, tier: str, given: DeclarationIn) -> PublishedOut:
    """Publish the tier as it is declared here."""
    if given.declaration.get("name", tier) != tier:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"The declaration is of another tier than {tier}.")
    with _told():
        applied = services.apply(
            document={"tiers": [{"name": tier, **given.declaration}]},
            by=request.auth,
            reason=given.reason,
            now=timezone.now(),
            gate=validation.check_with_envoy,
            made_from=None if given.base_revision is None else {tier: given.base_revision},
        )
    return PublishedOut.of(tier, applied)


@contextmanager
def _told() -> Iterator[None]:
    """What the services refuse, as problem documents; of an overtaken one with what was lost else."""
    try:
        yield
    except (UnknownTier, UnknownRevision) as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except Overtaken as error:
        errors = [{"field": "base_revision", "message": change} for change in error.changes]
        raise Problem(HTTPStatus.CONFLICT, str(error), errors=errors) from error
    except Invalid as error:
        errors = [{"field": _field(path), "message": message} for path, message in error.errors]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), errors=errors) from error


def _field(path: str) -> str:
    """A mistake's place in the request: `tiers[0]` is the tier that it declares."""
    return path.replace("tiers[0]", "declaration", 1)
