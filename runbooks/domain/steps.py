"""The steps of a remedy, as data. A kind is one model here and one function that does it in `services`.

Values that begin with `$` stand for something known at the time of the plan: `$tier`, `$route`, `$upstream`,
a threshold by its name (`$budget_percent`), or the series that a signal names (`$names.by_address`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from runbooks.domain.conditions import Part


class OverlayStep(Part):
    """Lay a patch over the tier: declarative, safe to repeat, undone by deleting it.

    `each: upstream` makes one of it for every upstream that the run's route is split to.
    """

    do: Literal["overlay"] = "overlay"
    patch: dict[str, Any]
    each: Literal["", "upstream"] = ""


# Every kind by the word that declares it; a new one is added here and in `Step`.
KINDS: dict[str, type[Part]] = {"overlay": OverlayStep}
Step = Annotated[OverlayStep, Field(discriminator="do")]


class UnknownPlaceholder(ValueError):
    """A `$name` that stands for nothing here."""


def fill(value: Any, known: Mapping[str, Any]) -> Any:
    """The value with every placeholder in it replaced, whatever its depth. Raises UnknownPlaceholder."""
    match value:
        case str() if value.startswith("$"):
            if value[1:] not in known:
                raise UnknownPlaceholder(f"{value} stands for nothing here")
            return known[value[1:]]
        case Mapping():
            return {name: fill(each, known) for name, each in value.items()}
        case list() | tuple():
            return [fill(each, known) for each in value]
        case _:
            return value


def placeholders(value: Any) -> set[str]:
    """The names of all placeholders in the value."""
    match value:
        case str() if value.startswith("$"):
            return {value[1:]}
        case Mapping():
            return set().union(*(placeholders(each) for each in value.values()))
        case list() | tuple():
            return set().union(*(placeholders(each) for each in value))
        case _:
            return set()


def spread(
    steps: Sequence[OverlayStep], known: Mapping[str, Any], upstreams: Sequence[str]
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
