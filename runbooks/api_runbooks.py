"""The API of runbooks: those that come with Sluice, and teams' own."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from ninja import Router, Schema

from access.permission import ApiRequest, owns
from access.problem import Problem
from access.schema import Because, Request
from proxy.domain.errors import Invalid
from runbooks import checking, listed, services, shelf, texts
from runbooks.domain.writing import from_markdown
from runbooks.listed import ModeRow, RunbookRow
from runbooks.selectors import DetectionRow
from runbooks.shelf import VersionRow

router = Router(tags=["runbooks"])


class VersionOut(Schema):
    """One version of a team's own runbook; `gone`: with it the runbook was deleted."""

    number: int
    at: datetime
    by: str
    reason: str
    gone: bool


class ModeOut(Schema):
    """How far the runbook may go on a tier, and what the tier declares."""

    tier: str
    mode: str
    declared: str

    @classmethod
    def of(cls, row: ModeRow) -> "ModeOut":
        return cls(tier=row.tier, mode=row.mode, declared=row.declared)


class DetectionOut(Schema):
    """What it last saw on a target: `present`, `calm` or `no_data`, with its figures."""

    tier: str
    scope: str
    subject: str
    said: str
    why: str
    since: datetime
    at: datetime
    numbers: dict[str, str]
    incident_id: int | None

    @classmethod
    def of(cls, row: DetectionRow) -> "DetectionOut":
        return cls.model_validate(asdict(row))


class RunbookOut(Schema):
    """A runbook. `version` is null of those that come with Sluice; `automated`: it has a machine's part."""

    slug: str
    title: str
    summary: str
    severity: str
    owner: str
    automated: bool
    version: int | None
    problem: str
    modes: list[ModeOut]

    @classmethod
    def fields(cls, row: RunbookRow) -> dict[str, Any]:
        plain = ("slug", "title", "summary", "severity", "owner", "automated", "version", "problem")
        modes = [ModeOut.of(mode) for mode in row.modes]
        return {**{name: getattr(row, name) for name in plain}, "modes": modes}


class RunbookDetail(RunbookOut):
    """With its text as written, what it sees now, and its versions, the newest first."""

    source: str
    detections: list[DetectionOut]
    versions: list[VersionOut]


class SourceIn(Request):
    """A runbook as a Markdown file with its front matter."""

    source: str
    reason: str = ""


@router.get("/runbooks", response=list[RunbookOut])
def runbooks(request: ApiRequest) -> list[RunbookOut]:
    """Every runbook, by its slug."""
    return [RunbookOut(**RunbookOut.fields(row)) for row in listed.runbooks()]


@router.get("/runbooks/{slug}", response=RunbookDetail)
def runbook(request: ApiRequest, slug: str) -> RunbookDetail:
    """One runbook."""
    row = listed.runbook(slug)
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no runbook {slug}.")
    return RunbookDetail(
        **RunbookOut.fields(row),
        source=row.raw,
        detections=[DetectionOut.of(each) for each in row.detections],
        versions=_versions(shelf.history(slug)),
    )


@router.put("/runbooks/{slug}", response=RunbookDetail, auth=owns)
def declare(request: ApiRequest, slug: str, given: SourceIn) -> RunbookDetail:
    """Declare a runbook of a team's own, or a new version of it. 422 with every mistake by its path."""
    now = timezone.now()
    try:
        written = from_markdown(slug, given.source)
        said = checking.said({"": written}, now=now)
        if said.problems:
            raise Invalid(said.problems)
        services.declare(declared=[written], by=request.auth, reason=given.reason, now=now)
    except Invalid as error:
        errors = [{"field": path, "message": why} for path, why in error.errors]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), errors=errors) from error
    except services.ChangedMeanwhile as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return runbook(request, slug)


@router.post("/runbooks/{slug}/delete", response=list[VersionOut], auth=owns)
def delete(request: ApiRequest, slug: str, given: Because) -> list[VersionOut]:
    """Delete a runbook of a team's own; returns its versions, which stay. 409 while a run of it is open, or a
    tier names it.
    """
    try:
        services.delete(slug=slug, by=request.auth, reason=given.reason, now=timezone.now())
    except texts.UnknownRunbook as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except (services.BuiltIn, services.InUse) as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return _versions(shelf.history(slug))


def _versions(rows: Iterable[VersionRow]) -> list[VersionOut]:
    return [VersionOut.model_validate(asdict(row)) for row in rows]
