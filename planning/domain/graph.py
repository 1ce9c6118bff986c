"""Who calls whom, as declared: the chain along which retries multiply."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from proxy.domain.errors import Invalid, Problem

Node = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
RouteName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]
SECTION = "call_graph"


class Call(BaseModel):
    """One service calls another: by its own client, through a route of a tier (`tier/route`), or both.

    `attempts` are tries in all that the caller's own client makes of a request, 1 where it does not retry.
    `budget_percent` bounds its retries to that share of its first attempts. `per_request` is how often it
    calls for one request that it serves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    caller: Node = Field(alias="from")
    callee: Node = Field(alias="to")
    route: RouteName | None = None
    attempts: int = Field(default=1, ge=1, le=100)
    budget_percent: float | None = Field(default=None, ge=0, le=100)
    per_request: float = Field(default=1.0, gt=0, le=10_000)


class CallGraph(BaseModel):
    """Calls without a cycle. `retries_at` is the one service, or route, that is meant to retry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: tuple[Call, ...] = ()
    retries_at: str | None = None

    @model_validator(mode="after")
    def _once_each_and_no_circle(self) -> "CallGraph":
        pairs = [(call.caller, call.callee) for call in self.calls]
        doubled = next((pair for pair in pairs if pairs.count(pair) > 1), None)
        if doubled:
            raise ValueError(f"{doubled[0]} calls {doubled[1]} twice: say it once, with per_request")
        self.order()
        known = {call.caller for call in self.calls} | {call.route for call in self.calls}
        if self.retries_at is not None and self.retries_at not in known:
            raise ValueError(f"retries_at names {self.retries_at}, which calls nothing here")
        return self

    def order(self) -> tuple[str, ...]:
        """Every service, callers before those that they call."""
        before: dict[str, set[str]] = {}
        for call in self.calls:
            before.setdefault(call.caller, set())
            before.setdefault(call.callee, set()).add(call.caller)
        try:
            return tuple(TopologicalSorter(before).static_order())
        except CycleError as error:
            circle = " -> ".join(reversed(error.args[1]))
            raise ValueError(f"the calls go in a circle: {circle}") from None

    def into(self, service: str) -> Iterator[Call]:
        """The calls that a service gets."""
        return (call for call in self.calls if call.callee == service)

    def as_data(self) -> dict[str, Any]:
        """The declaration that this graph was read from, without what is the default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def read(given: Any) -> CallGraph:
    """The graph of a declaration's section. Raises Invalid, each problem with its path."""
    try:
        return CallGraph.model_validate(given)
    except ValidationError as error:
        raise Invalid(_problems(error)) from error


def _problems(error: ValidationError) -> list[Problem]:
    return [(_path(item["loc"]), _plain(item)) for item in error.errors()]


def _path(place: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return SECTION + "".join(parts)


def _plain(item: Mapping[str, Any]) -> str:
    if item["type"] == "string_pattern_mismatch":
        shape = "tier/route" if item["loc"][-1] == "route" else "letters, digits, dots, - and _"
        return f"not a name: write {shape}"
    return str(item["msg"]).removeprefix("Value error, ")
