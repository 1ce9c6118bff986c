"""What changes between two declarations, field by field: in Envoy's terms, and what no proxy is told."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import Resources, kinds

_ABSENT = "(none)"
_HIDDEN = "(not shown)"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one resource: `kind` is cluster, endpoints, listener, routes, secret or runtime.

    Or of what no proxy is told: `kind` is objective or runbook, and the path is as a person wrote it.

    An empty `path` means that the whole resource came or went; a side that is not there is None.
    """

    kind: str
    name: str
    path: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if not self.path:
            return f"{'+' if self.before is None else '-'} {self.kind} {self.name}"
        before = _ABSENT if self.before is None else self.before
        after = _ABSENT if self.after is None else self.after
        return f"~ {self.kind} {self.name}: {self.path}: {before} -> {after}"


def difference(before: Resources, after: Resources) -> tuple[Change, ...]:
    """The changes in the order of serving, then by name and path. Equal resources give none."""
    found: list[Change] = []
    for kind in (kinds.RUNTIME, *kinds.MAKE_BEFORE_BREAK):
        old, new = before.get(kind, {}), after.get(kind, {})
        for name in sorted({*old, *new}):
            found += _resource(kinds.SPOKEN[kind], name, old.get(name), new.get(name))
    return tuple(found)


def untold(before: Tier | None, after: Tier) -> tuple[Change, ...]:
    """The changes of objectives and runbooks, by name and field."""
    found: list[Change] = []
    old, new = _untold(before), _untold(after)
    for kind, name in sorted({*old, *new}):
        found += _resource(kind, name, old.get((kind, name)), new.get((kind, name)))
    return tuple(found)


def _untold(tier: Tier | None) -> dict[tuple[str, str], Mapping[str, Any]]:
    if tier is None:
        return {}
    document = tier.document()
    objectives = {("objective", one["name"]): one for one in document["objectives"]}
    return {**objectives, **{("runbook", name): one for name, one in document["runbooks"].items()}}


def _resource(
    kind: str, name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Iterator[Change]:
    if old is None or new is None:
        yield Change(kind, name, "", None if old is None else "", None if new is None else "")
        return
    flat_old, flat_new = dict(_leaves(old, "")), dict(_leaves(new, ""))
    for path in sorted({*flat_old, *flat_new}):
        was, will = flat_old.get(path), flat_new.get(path)
        if was != will:
            hidden = kind == kinds.SPOKEN[kinds.SECRET]
            yield Change(kind, name, path, *((_HIDDEN, _HIDDEN) if hidden else (was, will)))


def _leaves(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every scalar with its path; items that bear a name stand under it, so that an order alone is no
    change.
    """
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list) and node:
        for index, item in enumerate(node):
            yield from _leaves(item, f"{path}[{_label(item, index)}]")
    else:
        yield path, node if isinstance(node, str) else json.dumps(node)


def _label(item: Any, index: int) -> str:
    return str(item["name"]) if isinstance(item, Mapping) and "name" in item else str(index)
