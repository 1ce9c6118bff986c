"""The steps of a remedy, as data. A kind is a model in `kinds` and a value in a registry of `services.steps`.

Values such as `$tier` stand for something known at the time of the plan: also `$route`, `$upstream`, a
threshold by its name (`$budget_percent`), or the series that a signal names (`$names.by_address`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from runbooks.domain.conditions import Part
from runbooks.domain.kinds import (
    AskStep,
    DrainEndpointStep,
    OverlayStep,
    RollbackRolloutStep,
    ScaleStep,
    TellStep,
    WebhookStep,
)

# Every kind by the word that declares it; a new one is added here and in `AnyStep`.
KINDS: dict[str, type[Part]] = {
    "overlay": OverlayStep,
    "drain_endpoint": DrainEndpointStep,
    "rollback_rollout": RollbackRolloutStep,
    "webhook": WebhookStep,
    "scale": ScaleStep,
    "ask": AskStep,
    "tell": TellStep,
}
AnyStep = OverlayStep | DrainEndpointStep | RollbackRolloutStep | WebhookStep | ScaleStep | AskStep | TellStep
Step = Annotated[AnyStep, Field(discriminator="do")]
_PLACEHOLDER = re.compile(r"\$([a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)?)\Z")


class UnknownPlaceholder(ValueError):
    """A `$name` that stands for nothing here."""


def fill(value: Any, known: Mapping[str, Any]) -> Any:
    """The value with every placeholder in it replaced, whatever its depth. Raises UnknownPlaceholder."""
    match value:
        case str() if found := _PLACEHOLDER.match(value):
            if found[1] not in known:
                raise UnknownPlaceholder(f"{value} stands for nothing here")
            return known[found[1]]
        case Mapping():
            return {name: fill(each, known) for name, each in value.items()}
        case list() | tuple():
            return [fill(each, known) for each in value]
        case _:
            return value


def placeholders(value: Any) -> set[str]:
    """The names of all placeholders in the value."""
    match value:
        case str() if found := _PLACEHOLDER.match(value):
            return {found[1]}
        case Mapping():
            return set().union(*(placeholders(each) for each in value.values()))
        case list() | tuple():
            return set().union(*(placeholders(each) for each in value))
        case _:
            return set()


def spread(
    steps: Sequence[AnyStep], known: Mapping[str, Any], upstreams: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Every step with its placeholders filled, one for each upstream where it says so.

    Raises UnknownPlaceholder.
    """
    for step in steps:
        data = step.model_dump(exclude={"each"})
        if getattr(step, "each", "") == "upstream":
            yield from (fill(data, {**known, "upstream": name}) for name in upstreams)
        else:
            yield fill(data, known)
