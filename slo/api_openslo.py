"""The API of objectives as OpenSLO v1."""

from http import HTTPStatus

from django.http import HttpResponse
from django.utils import timezone
from ninja import Field, Schema

from access.permission import ApiRequest, owns
from access.problem import Problem
from access.schema import Request
from proxy.domain.errors import Invalid, Overtaken, UnknownTier
from slo import api as objectives
from slo import openslo
from slo.openslo import Taken

# The same router: objectives are listed there.
router = objectives.router
CONTENT_TYPE = "application/yaml"


class OpenSloIn(Request):
    """A file's text. Its objectives are laid over those of the tier `tier`, else of the tier that the service
    names; with `replace` the tier keeps only these. With `plan` nothing is written.
    """

    openslo: str = Field(min_length=1, max_length=5_000_000)
    tier: str | None = None
    replace: bool = False
    plan: bool = False
    reason: str = Field(min_length=1, max_length=500)


class NoteOut(Schema):
    """What of the file is not kept, or is taken otherwise than it is written."""

    field: str
    message: str


class TakenOut(Schema):
    """What it came to: the changes, and the new revisions by tier."""

    changes: list[str]
    revisions: dict[str, int]
    warnings: list[str]
    notes: list[NoteOut]

    @classmethod
    def of(cls, taken: Taken) -> "TakenOut":
        return cls(
            changes=list(taken.changes),
            revisions=dict(taken.revisions),
            warnings=list(taken.warnings),
            notes=[NoteOut(field=path, message=message) for path, message in taken.notes],
        )


@router.get("/objectives/openslo", response={200: None})
def exported(request: ApiRequest, tier: str = "") -> HttpResponse:
    """The objectives of one tier or of all as OpenSLO v1, in YAML."""
    try:
        return HttpResponse(openslo.exported(tier or None), content_type=CONTENT_TYPE)
    except UnknownTier as error:
        raise _unknown(error) from error


@router.post("/objectives/openslo", response=TakenOut, auth=owns)
def take_in(request: ApiRequest, given: OpenSloIn) -> TakenOut:
    """Declare the objectives of an OpenSLO file. All that cannot be expressed is told, and then nothing is
    changed.
    """
    try:
        return TakenOut.of(_taken(request, given))
    except UnknownTier as error:
        raise _unknown(error) from error
    except Overtaken as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except Invalid as error:
        errors = [{"field": path or "openslo", "message": message} for path, message in error.errors]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), errors=errors) from error


def _taken(request: ApiRequest, given: OpenSloIn) -> Taken:
    now = timezone.now()
    if given.plan:
        return openslo.plan(given.openslo, into=given.tier, replace=given.replace, now=now)
    return openslo.take_in(
        given.openslo,
        into=given.tier,
        replace=given.replace,
        by=request.auth,
        reason=given.reason,
        now=now,
    )


def _unknown(error: UnknownTier) -> Problem:
    errors = [{"field": "tier", "message": str(error)}]
    return Problem(HTTPStatus.NOT_FOUND, str(error), errors=errors)
