"""A plan: the exact change, its undo and its blast radius, under one hash that an approval is for."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from proxy.domain import budgets
from proxy.domain.patches import parse

# The fields that a remedy is about, in Envoy's terms, and how a person calls them.
ESSENTIAL = {"num_retries": "retries", "budget_percent": "retry budget in percent"}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_FIELD = re.compile(rf"\.({'|'.join(ESSENTIAL)})(?:\.value)?: (.+)$")


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step that is no overlay: `said` is exact JSON data for its `kind`, at its `place` in the remedy.

    `words` completes "Run 7 would"; `undo` says how it is taken back: empty where nothing takes it back.
    """

    place: int
    kind: str
    said: dict[str, Any]
    words: str
    undo: str = ""

    @property
    def seconds(self) -> float:
        """How long it may take until it is known what came of it."""
        return float(self.said.get("within") or self.said.get("deadline") or 0.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """`patches` in the order of their `targets`; `changes` says them in Envoy's terms, one line each.

    `summary` says them in a person's words. `steps` are those that are no overlays; all overlays are laid
    together at the place `overlays_at` among them.
    """

    summary: str
    patches: tuple[dict[str, Any], ...]
    targets: tuple[str, ...]
    changes: tuple[str, ...]
    undo: str
    routes: tuple[str, ...]
    proxies: tuple[str, ...]
    expires_after_seconds: float
    steps: tuple[PlannedStep, ...] = ()
    overlays_at: int = 0

    @property
    def digest(self) -> str:
        """What is approved: equal for equal plans, whenever they are made."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def as_data(self) -> dict[str, Any]:
        """JSON data that `plan_from` reads back."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data


def plan_from(data: Mapping[str, Any]) -> Plan:
    """The plan that `as_data` wrote."""
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
    return Plan(**{**fields, "steps": tuple(PlannedStep(**step) for step in data.get("steps", ()))})


def essence(plan: Plan) -> tuple[str, ...]:
    """What the changes come to, each once and in a person's words: "retries 2 -> 0". Empty when unknown."""
    found = (_FIELD.search(change) for change in plan.changes)
    return tuple(
        dict.fromkeys(f"{ESSENTIAL[match[1]]} {_as_declared(*match.groups())}" for match in found if match)
    )


def _as_declared(field: str, values: str) -> str:
    """`values` ("16.666667 -> 1.960784") as a tier declares them: a budget as the load that it adds."""
    if field != "budget_percent":
        return values
    return _NUMBER.sub(lambda share: str(budgets.of_firsts(float(share[0]))), values)


def shown(plan: Plan, most: int) -> tuple[str, ...]:
    """The changes that a short message shows: at most `most`, the essential ones alone when there are any."""
    essential = tuple(change for change in plan.changes if _FIELD.search(change))
    return (essential or plan.changes)[:most]


def summary(patches: Sequence[Mapping[str, Any]]) -> str:
    """The patches in a person's words. Raises Invalid."""
    return " and ".join(parse(patch).words for patch in patches)
