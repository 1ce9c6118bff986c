"""The API for pipelines: rollouts from YAML, what a rollout has come to, what its hooks said."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from django.conf import settings
from django.utils import timezone
from ninja import Field, Router, Schema

from access.permission import ApiRequest, operates
from access.problem import Problem, field
from canary import hooked as selected
from canary import selectors, services
from canary.api import CONFLICTS
from canary.domain import declared
from canary.domain.declared import BadFile
from canary.domain.errors import Refused, UnknownRollout
from canary.domain.outcomes import exit_code
from canary.selectors import RolloutRow
from canary.services.dry_runs import DryRun

router = Router(tags=["rollouts"])
MOST_BYTES = 1_000_000
Done = TypeVar("Done")
Key = Annotated[str, Field(max_length=100)]
YAML = {"requestBody": {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}}


class OutcomeOut(Schema):
    """What a rollout has come to, for a pipeline.

    `exit_code`: 0 promoted, 1 rolled back, 2 a person is asked; null: it goes on. `weight` in basis points.
    """

    id: int
    key: str
    state: str
    weight: int
    summary: str
    exit_code: int | None
    url: str


class HookOut(Schema):
    """A hook of the plan: `secret` is the name of one; `deadline` in seconds."""

    name: str
    url: str
    when: list[str]
    secret: str
    deadline: float


class QuestionOut(Schema):
    """One question to a hook; `weight` in basis points."""

    delivery: int
    hook: str
    moment: str
    step: int
    weight: int
    state: str
    attempts: int
    said: str
    asked_at: datetime
    deadline_at: datetime
    settled_at: datetime | None


class HookedOut(Schema):
    """A rollout's hooks and the latest questions, the newest first."""

    hooks: list[HookOut]
    questions: list[QuestionOut]


@router.post("/rollouts/apply", response=OutcomeOut, auth=operates, openapi_extra=YAML)
def apply(request: ApiRequest, key: Key = "") -> OutcomeOut:
    """Start the rollout that the body, YAML or JSON, declares under `rollout`.

    The same `key` (of the file, or of the address, which wins) starts it once. 422 names each path in the
    file, 409 what is in the way. `${NAME}` takes its default: the service's own environment is not read.
    """
    start = partial(services.apply, key=key, by=request.auth, now=timezone.now())
    return _outcome(selectors.rollout(of_file(request, start)).row, patient=True)


@router.post("/rollouts/apply/dry-run", response=DryRun, auth=operates, openapi_extra=YAML)
def dry_run(request: ApiRequest, key: Key = "") -> DryRun:
    """What `apply` would do with the same body: find what its key began, or start what `rehearsal` says.

    Nothing is written. Answers as `apply` where it would be refused; what holds it only for now is in `held`.
    """
    return of_file(request, partial(services.dry_run, key=key, now=timezone.now()))


@router.get("/rollouts/{int:rollout_id}/outcome", response=OutcomeOut)
def outcome(request: ApiRequest, rollout_id: int, patient: bool = False) -> OutcomeOut:
    """What it has come to. With `patient` a person who is asked is waited for: no exit code 2."""
    return _outcome(_row(rollout_id), patient=patient)


@router.get("/rollouts/{int:rollout_id}/hooks", response=HookedOut)
def hooks(request: ApiRequest, rollout_id: int) -> dict[str, Any]:
    """The rollout's hooks and what they said."""
    return asdict(selected.hooked(_row(rollout_id).id))


def of_file(request: ApiRequest, do: Callable[..., Done]) -> Done:
    """What `do` makes of the body as `document`. 422 names each path in the file, 409 what is in the way.

    `${NAME}` takes its default: the service's own environment is not read.
    """
    try:
        return do(document=declared.text(body_of(request), environment={}))
    except BadFile as error:
        errors = [{"field": path or "body", "message": why} for path, why in error.errors]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), errors=errors) from error
    except Refused as error:
        conflict = isinstance(error, CONFLICTS)
        status = HTTPStatus.CONFLICT if conflict else HTTPStatus.UNPROCESSABLE_ENTITY
        raise field(error.field, error.why, status=status) from error


def body_of(request: ApiRequest) -> str:
    """The file that was sent. Raises BadFile."""
    if len(request.body) > MOST_BYTES:
        raise BadFile([("", f"the file must have at most {MOST_BYTES:,} bytes")])
    try:
        return request.body.decode()
    except UnicodeDecodeError as error:
        raise BadFile([("", "the file must be UTF-8")]) from error


def _row(rollout_id: int) -> RolloutRow:
    try:
        return selectors.rollout(rollout_id).row
    except UnknownRollout as error:
        raise Problem(HTTPStatus.NOT_FOUND, error.why) from error


def _outcome(row: RolloutRow, *, patient: bool) -> OutcomeOut:
    return OutcomeOut(
        id=row.id,
        key=row.key,
        state=row.state,
        weight=row.weight,
        summary=row.summary,
        exit_code=exit_code(row.state, patient=patient),
        url=f"{settings.BASE_URL}/rollouts/{row.id}",
    )
