"""A release: one rollout over many routes and tiers, in waves. Its states, and how it is declared."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from canary.domain.declared import BadFile, Key, Word
from canary.domain.states import WrongState
from proxy.domain import document

RELEASE: dict[str, dict[str, str]] = {
    "running": {
        "next_wave": "running",
        "finish": "promoted",
        "fail": "rolling_back",
        "pause": "paused",
        "roll_back": "rolling_back",
    },
    "paused": {"fail": "rolling_back", "resume": "running", "roll_back": "rolling_back"},
    "rolling_back": {"verify": "rolled_back", "close": "rolled_back"},
    "promoted": {},
    "rolled_back": {},
}
RELEASE_LIVE = tuple(state for state, events in RELEASE.items() if events)
# What a person may do to a release as a whole; approvals are passed to the members that wait for one.
RELEASE_PERSONS = ("pause", "resume", "roll_back", "close")
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Mode = Literal["approve", "auto"]


class Member(BaseModel):
    """One rollout of a wave; `mode` and `plan`, where given, replace the release's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    route: Word
    upstream: Word
    mode: Mode | None = None
    plan: dict[str, Any] | None = None


class Wave(BaseModel):
    """Rollouts that begin together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    rollouts: tuple[Member, ...] = Field(min_length=1, max_length=100)


class Release(BaseModel):
    """A release as it is declared. `on_failure` is what a failing member does to the waves before its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key
    mode: Mode = "approve"
    reason: str = Field(default="", max_length=500)
    on_failure: Literal["keep", "roll_back"]
    plan: dict[str, Any] = Field(default_factory=dict)
    waves: tuple[Wave, ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [wave.name for wave in self.waves]
        if len(set(names)) < len(names):
            raise ValueError("the waves must have names of their own")
        return self


def read(given: Mapping[str, Any], *, key: str = "") -> Release:
    """What the document declares under `release`; a given `key` replaces the file's. Raises BadFile."""
    errors = [(str(name), "unknown key") for name in given if name != "release"]
    body = given.get("release")
    if not isinstance(body, Mapping):
        raise BadFile([*errors, ("release", "must be a mapping with key, on_failure and waves")])
    try:
        found = Release.model_validate({**body, "key": key} if key else dict(body))
    except ValidationError as error:
        errors += [(_path(item["loc"]), document.worded(item)) for item in error.errors()]
    if errors:
        raise BadFile(errors)
    return found


def after(state: str, event: str) -> str:
    """The release's next state. Raises WrongState."""
    try:
        return RELEASE[state][event]
    except KeyError:
        raise WrongState(state, event) from None


def allowed(state: str) -> tuple[str, ...]:
    """What a person may do in this state."""
    return tuple(event for event in RELEASE_PERSONS if event in RELEASE[state])


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(["release", *map(str, location)])
