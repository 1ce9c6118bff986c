"""The API of releases: a rollout over many routes and tiers, in waves."""

from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from django.conf import settings
from django.utils import timezone
from ninja import Field, Router, Schema

from access.paging import Limit
from access.permission import ApiRequest, operates
from access.problem import Problem, field
from access.schema import Why
from canary import releases as selected
from canary import services
from canary.api import CONFLICTS
from canary.api_pipelines import YAML, of_file
from canary.domain.errors import Refused, UnknownRelease
from canary.domain.outcomes import release_exit_code
from canary.domain.states import WrongState
from canary.releases import ReleaseRow
from canary.services.dry_runs import ReleaseDryRun

router = Router(tags=["releases"])
Key = Annotated[str, Field(max_length=100)]
Action = Literal["approve", "pause", "resume", "roll_back", "close"]


class MemberOut(Schema):
    """One rollout of a wave; `weight` in basis points. `verified` of `proxies` were read back at it."""

    tier: str
    route: str
    upstream: str
    rollout_id: int | None
    state: str
    weight: int
    verified: int
    proxies: int
    reason: str
    problem: str


class WaveOut(Schema):
    """One wave."""

    number: int
    name: str
    current: bool
    members: list[MemberOut]


class ReleaseOut(Schema):
    """A release. `exit_code` for pipelines: 0 promoted, 1 rolled back, 2 a person is asked, null goes on."""

    id: int
    key: str
    state: str
    on_failure: str
    wave: int
    reason: str
    problem: str
    asks: bool
    exit_code: int | None
    created_at: datetime
    created_by: str
    finished_at: datetime | None
    waves: list[WaveOut]
    actions: list[str]
    url: str


@router.get("/releases", response=list[ReleaseOut])
def releases(request: ApiRequest, limit: Limit = 100) -> list[ReleaseOut]:
    """Releases, the newest first."""
    return [_out(row) for row in selected.releases(limit=limit)]


@router.post("/releases/apply", response=ReleaseOut, auth=operates, openapi_extra=YAML)
def apply(request: ApiRequest, key: Key = "") -> ReleaseOut:
    """Begin the release that the body, YAML or JSON, declares under `release`; the same key begins it once.

    422 names each path in the file, 409 what is in the way.
    """
    begin = partial(services.release, key=key, by=request.auth, now=timezone.now())
    return _out(selected.release(of_file(request, begin)))


@router.post("/releases/apply/dry-run", response=ReleaseDryRun, auth=operates, openapi_extra=YAML)
def dry_run(request: ApiRequest, key: Key = "") -> ReleaseDryRun:
    """What `apply` would do with the same body, rollout by rollout, as if each began now. Nothing is written.

    Answers as `apply` where it would be refused; what holds a rollout only for now is in its `held`.
    """
    return of_file(request, partial(services.dry_run_release, key=key, now=timezone.now()))


@router.get("/releases/{int:release_id}", response=ReleaseOut)
def release(request: ApiRequest, release_id: int, patient: bool = False) -> ReleaseOut:
    """One release. With `patient` a person who is asked is waited for: no exit code 2."""
    try:
        return _out(selected.release(release_id), patient=patient)
    except UnknownRelease as error:
        raise Problem(HTTPStatus.NOT_FOUND, error.why) from error


@router.post("/releases/{int:release_id}/{action}", response=ReleaseOut, auth=operates)
def act(request: ApiRequest, release_id: int, action: Action, body: Why | None = None) -> ReleaseOut:
    """One of its `actions`: approve, pause, resume, roll_back, close. 409 where its state has none such."""
    reason, now = body.reason if body else "", timezone.now()
    try:
        if action == "approve":
            services.approve_release(release_id=release_id, by=request.auth, reason=reason, now=now)
        else:
            services.act_on_release(
                release_id=release_id, event=action, by=request.auth, reason=reason, now=now
            )
    except UnknownRelease as error:
        raise Problem(HTTPStatus.NOT_FOUND, error.why) from error
    except WrongState as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except Refused as error:
        raise _problem(error) from error
    return _out(selected.release(release_id))


def _problem(error: Refused) -> Problem:
    conflict = isinstance(error, CONFLICTS)
    status = HTTPStatus.CONFLICT if conflict else HTTPStatus.UNPROCESSABLE_ENTITY
    return field(error.field, error.why, status=status)


def _out(row: ReleaseRow, *, patient: bool = False) -> ReleaseOut:
    given = {name: getattr(row, name) for name in ReleaseOut.model_fields if hasattr(row, name)}
    code = release_exit_code(row.state, asks=row.asks, patient=patient)
    return ReleaseOut(**given, exit_code=code, url=f"{settings.BASE_URL}/releases/{row.id}")
