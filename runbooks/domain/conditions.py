"""Conditions over signals, as data: comparisons joined by `all` and `any`, with three values.

A comparison with a signal that has no data is neither true nor false, and so is what depends on it (Kleene's
strong logic): `all` is false as soon as one part is, `any` true as soon as one part is, whatever the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from runbooks.domain.measures import Measure

# A number, or the name of a threshold, which a tier may set otherwise.
Bound = float | str
RELATIVE = "above_before_by"
BOUNDS = ("at_least", "above", "at_most", "below", RELATIVE)


class Part(BaseModel):
    """Frozen data that allows no name it does not know, and no infinity, which JSON cannot keep."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Comparison(Part):
    """One signal against one bound. `above_before_by` compares with what it was when the run decided."""

    signal: str
    at_least: Bound | None = None
    above: Bound | None = None
    at_most: Bound | None = None
    below: Bound | None = None
    above_before_by: Bound | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> "Comparison":
        if sum(getattr(self, name) is not None for name in BOUNDS) != 1:
            raise ValueError(f"compare {self.signal} with exactly one of {', '.join(BOUNDS)}")
        return self

    @property
    def bound(self) -> tuple[str, Bound]:
        """The comparison's name, and what it compares with."""
        return next((name, value) for name in BOUNDS if (value := getattr(self, name)) is not None)


class All(Part):
    """True when every part is."""

    all: tuple["Condition", ...] = Field(min_length=1)


class Any_(Part):  # noqa: N801 `any` is the word of the declaration, and Any is typing's
    """True when one part is."""

    any: tuple["Condition", ...] = Field(min_length=1)


def _kind(given: Any) -> str:
    """Which of the three a declaration means, so that an error is about that one alone."""
    if isinstance(given, All) or (isinstance(given, Mapping) and "all" in given):
        return "all"
    if isinstance(given, Any_) or (isinstance(given, Mapping) and "any" in given):
        return "any"
    return "comparison"


Condition = Annotated[
    Annotated[Comparison, Tag("comparison")] | Annotated[All, Tag("all")] | Annotated[Any_, Tag("any")],
    Discriminator(_kind),
]
All.model_rebuild()
Any_.model_rebuild()


def holds(
    condition: Comparison | All | Any_,
    measure: Measure,
    thresholds: Mapping[str, float],
    *,
    before: Measure | None = None,
) -> bool | None:
    """Whether the condition is true of the measure; None where the data do not say."""
    match condition:
        case All(all=parts):
            return _all([holds(part, measure, thresholds, before=before) for part in parts])
        case Any_(any=parts):
            return _any([holds(part, measure, thresholds, before=before) for part in parts])
        case Comparison() as comparison:
            return _compare(comparison, measure, thresholds, before)


def comparisons(condition: Comparison | All | Any_, at: str = "") -> Iterator[tuple[str, Comparison]]:
    """Every comparison in the condition, in the order of its declaration, with its place below `at`."""
    match condition:
        case All(all=parts) | Any_(any=parts):
            word = "all" if isinstance(condition, All) else "any"
            for number, part in enumerate(parts):
                yield from comparisons(part, f"{at}.{word}[{number}]")
        case Comparison():
            yield at, condition


def _compare(
    comparison: Comparison, measure: Measure, thresholds: Mapping[str, float], before: Measure | None
) -> bool | None:
    value = measure.value(comparison.signal)
    name, given = comparison.bound
    bound = thresholds[given] if isinstance(given, str) else given
    if value is None:
        return None
    match name:
        case "at_least":
            return value >= bound
        case "above":
            return value > bound
        case "at_most":
            return value <= bound
        case "below":
            return value < bound
        case _:
            was = before.value(comparison.signal) if before else None
            return None if was is None else value > was + bound


def _all(parts: Sequence[bool | None]) -> bool | None:
    if False in parts:
        return False
    return None if None in parts else True


def _any(parts: Sequence[bool | None]) -> bool | None:
    if True in parts:
        return True
    return None if None in parts else False
