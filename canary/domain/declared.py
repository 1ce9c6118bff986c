"""Rollouts declared in a file: what the file may hold, and every mistake in it with its path."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from proxy.domain import document
from proxy.domain.errors import Invalid

Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class BadFile(ValueError):
    """The file declares no rollout; `errors` holds every mistake as path and message."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{path}: {why}" if path else why for path, why in errors))
        self.errors = errors


class Declared(BaseModel):
    """One rollout, as `services.start` takes it. The plan is read where the rollout starts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key
    route: Word
    upstream: Word
    mode: Literal["approve", "auto", "observe"] = "approve"
    reason: str = Field(default="", max_length=500)
    plan: dict[str, Any] = Field(default_factory=dict)


def text(given: str, *, environment: Mapping[str, str]) -> dict[str, Any]:
    """The document of a YAML text, with `${NAME}` taken from `environment`. Raises BadFile."""
    try:
        documents = document.stream(given)
        if len(documents) != 1 or not isinstance(documents[0], dict):
            raise BadFile([("", "the file must hold one mapping, with the key rollout")])
        return document.load(given, environment=environment)
    except Invalid as error:
        raise BadFile(error.errors) from error


def part(given: str) -> dict[str, Any]:
    """A part of a plan as YAML text, empty where the text is. Raises BadFile."""
    try:
        documents = document.stream(given)
    except Invalid as error:
        raise BadFile(error.errors) from error
    if not documents or documents == [None]:
        return {}
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise BadFile([("", "write keys of a plan with their values, such as longest_stay: 900")])
    return documents[0]


def written(asked: Declared) -> str:
    """The file that declares a rollout, without what is as it is by default."""
    body = asked.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump({"rollout": body}, sort_keys=False, allow_unicode=True, default_flow_style=None)


def rollout(given: Mapping[str, Any], *, key: str = "") -> Declared:
    """What the document declares under `rollout`; a given `key` replaces the file's. Raises BadFile."""
    errors = [(str(name), "unknown key") for name in given if name != "rollout"]
    body = given.get("rollout")
    if not isinstance(body, Mapping):
        raise BadFile([*errors, ("rollout", "must be a mapping with key, route and upstream")])
    try:
        declared = Declared.model_validate({**body, "key": key} if key else dict(body))
    except ValidationError as error:
        errors += [(_path(item["loc"]), document.worded(item)) for item in error.errors()]
    if errors:
        raise BadFile(errors)
    return declared


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(["rollout", *map(str, location)])
