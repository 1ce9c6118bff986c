"""What a step may say, one model a kind. Durations are written as "30s" or "10m" and kept in seconds."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from outbound import signing
from runbooks.domain.conditions import Part

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)\Z")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_WORD = re.compile(r"\$([a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)?)")


def _seconds(given: Any) -> Any:
    """Also seconds, as a plan has them."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    match = _DURATION.match(str(given))
    if match is None:
        raise ValueError("must be a duration, such as 30s or 5m")
    return float(match[1]) * _SECONDS[match[2]]


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=86_400)]
Secret = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


def _address_of(url: str) -> str:
    if "?" in url:
        raise ValueError("must hold no query: everybody who may read sees it, and the secret signs the call")
    return signing.checked(url)


class OverlayStep(Part):
    """Lay a patch over the tier: declarative, safe to repeat, undone by deleting it.

    `each: upstream` makes one of it for every upstream that the run's target sends to.
    """

    do: Literal["overlay"] = "overlay"
    patch: dict[str, Any]
    each: Literal["", "upstream"] = ""


class DrainEndpointStep(Part):
    """Send new requests to an upstream's other endpoints: an overlay, undone by deleting it.

    `endpoint` is `address:port`, or what a signal names, such as `$names.slowest`: then its heaviest series.
    """

    do: Literal["drain_endpoint"]
    upstream: str = "$upstream"
    endpoint: str


class RollbackRolloutStep(Part):
    """Roll back the rollout that is live on the run's route, or whose canary is its upstream.

    Nothing takes it back: a rollback is the safe side, and who wants the canary again starts a new rollout.
    """

    do: Literal["rollback_rollout"]


class Undo(Part):
    """The call that takes a call back; to the same address where it says none."""

    url: str = ""
    body: dict[str, Any] = Field(default_factory=dict)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        return _address_of(url) if url else url


class Outside(Part):
    """What every call to a service of others says. `secret` is the name of the secret that signs it."""

    url: str
    secret: Secret
    body: dict[str, Any] = Field(default_factory=dict)
    # Past it nothing is sent any more.
    deadline: Seconds = 30.0

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        return _address_of(url)


class WebhookStep(Outside):
    """Call a service of others, signed. `repeatable`: it takes a repeated `Idempotency-Key` once, so
    that what may have arrived may be sent again; else an unknown outcome waits for a person.
    """

    do: Literal["webhook"]
    repeatable: bool = False
    undo: Undo | None = None


class ScaleStep(Outside):
    """Ask a scaler for as many instances as the load needs; undone by asking for as many as there were.

    `instances` and `load` are signals, `target` the load that is wanted, as a number or a threshold
    (`$wanted`): the number is `domain/scaling.py`'s. It is set, not added: a repeated call does no harm.
    """

    do: Literal["scale"]
    instances: str
    load: str
    target: float | str
    at_least: int = Field(default=1, ge=1)
    at_most: int = Field(ge=1)
    # No second one at the same address in this time, whichever runbook asks.
    cooldown: Seconds = 600.0

    @model_validator(mode="after")
    def _bounds(self) -> "ScaleStep":
        if self.at_least > self.at_most:
            raise ValueError("at_least is above at_most")
        named = isinstance(self.target, str) and self.target.startswith("$")
        if not named and not (isinstance(self.target, float) and self.target > 0):
            raise ValueError("target is a load above 0, or a threshold such as $wanted")
        return self


class AskStep(Part):
    """Ask a person, who answers yes or no on the run's page. No answer in time is a no."""

    do: Literal["ask"]
    text: Sentence
    within: Seconds = 900.0


class TellStep(Part):
    """Say something in the incident's thread."""

    do: Literal["tell"]
    text: Sentence


def filled_words(text: str, known: Mapping[str, Any]) -> str:
    """The text with every `$name` in it as people read it; one that stands for nothing stays as written."""
    return _WORD.sub(lambda found: _spoken(known.get(found[1], found[0])), text)


def words_in(text: str) -> set[str]:
    """The names that the text says with a `$`."""
    return set(_WORD.findall(text))


def _spoken(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "nothing"
    return f"{value:g}" if isinstance(value, float) else str(value)
