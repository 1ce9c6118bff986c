"""What changes between two declarations, field by field: in Envoy's terms, and what no proxy is told."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import Resources, kinds
from proxy.domain.translate.tables import routes_of

_ABSENT = "(none)"
_LONGEST, _BEGINNING = 2000, 60
_HIDDEN = "(not shown)"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one resource: `kind` is cluster, endpoints, listener, routes, secret or runtime.

    Or of what no proxy is told: `kind` is objective, runbook, budget_policy, freeze or accepted, and the path
    is as a person wrote it.

    `whole`: all that is at `path` came or went, a named item of a list or, where it is empty, the resource. A
    side that is not there is None.
    """

    kind: str
    name: str
    path: str
    before: str | None
    after: str | None
    whole: bool = False

    def __str__(self) -> str:
        if self.whole:
            what = f"{self.kind} {self.name}: {self.path}" if self.path else f"{self.kind} {self.name}"
            return f"{'+' if self.before is None else '-'} {what}"
        before = _ABSENT if self.before is None else self.before
        after = _ABSENT if self.after is None else self.after
        return f"~ {self.kind} {self.name}: {self.path}: {before} -> {after}"


def difference(before: Resources, after: Resources) -> tuple[Change, ...]:
    """The changes in the order of serving, then by name and path. Equal resources give none."""
    found: list[Change] = []
    for kind in (kinds.RUNTIME, *kinds.MAKE_BEFORE_BREAK):
        old, new = _listed(kind, before.get(kind, {})), _listed(kind, after.get(kind, {}))
        for name in sorted({*old, *new}):
            found += _resource(kinds.SPOKEN[kind], name, old.get(name), new.get(name))
    return tuple(dict.fromkeys(found))  # an item that came is told once, not for each of its fields


def _listed(kind: str, named: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """Route tables with plain lists: whether a host holds a list or a tree is no change of what it does."""
    if kind != kinds.ROUTES:
        return named
    return {
        name: {**table, "virtual_hosts": [_plain(host) for host in table["virtual_hosts"]]}
        for name, table in named.items()
    }


def _plain(host: Mapping[str, Any]) -> dict[str, Any]:
    """A tree's routes once each, in the order of their names."""
    if "matcher" not in host:
        return dict(host)
    once = {json.dumps(route, sort_keys=True): route for route in routes_of(host)}
    routes = sorted(once.values(), key=lambda route: str(route["name"]))
    return {**{key: value for key, value in host.items() if key != "matcher"}, "routes": routes}


def untold(before: Tier | None, after: Tier) -> tuple[Change, ...]:
    """The changes of objectives, of the budget policy and of runbooks, by name and field."""
    found: list[Change] = []
    old, new = _untold(before), _untold(after)
    for kind, name in sorted({*old, *new}):
        found += _resource(kind, name, old.get((kind, name)), new.get((kind, name)))
    return tuple(found)


def _untold(tier: Tier | None) -> dict[tuple[str, str], Mapping[str, Any]]:
    if tier is None:
        return {}
    document = tier.model_dump(mode="json", include={"objectives", "runbooks", "budget_policy", "freeze"})
    found = {("objective", one["name"]): one for one in document["objectives"]}
    found["budget_policy", tier.name] = document["budget_policy"]
    found |= {("freeze", str(one["weekly"] or one["begins"])): one for one in document["freeze"]}
    found |= {("runbook", name): one for name, one in document["runbooks"].items()}
    accepted = {f"tier {tier.name}": tier.accepted}
    accepted |= {f"upstream {upstream.name}": upstream.accepted for upstream in tier.upstreams}
    accepted |= {f"route {route.name}": route.accepted for route in tier.routes}
    return found | {("accepted", name): dict(reasons) for name, reasons in accepted.items() if reasons}


def entity(
    kind: str, name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> tuple[Change, ...]:
    """The changes of one thing that an app above declares, by field; None where it is not there."""
    return tuple(dict.fromkeys(_resource(kind, name, old, new)))


def _resource(
    kind: str, name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Iterator[Change]:
    if old is None or new is None:
        yield Change(kind, name, "", None if old is None else "", None if new is None else "", whole=True)
        return
    old, new = _unequal(old, new)
    flat_old, flat_new = dict(_leaves(old, "")), dict(_leaves(new, ""))
    came_or_went = {*_items(old, "")} ^ {*_items(new, "")}
    hidden = kind == kinds.SPOKEN[kinds.SECRET]
    for path in sorted({*flat_old, *flat_new}):
        was, will = flat_old.get(path), flat_new.get(path)
        item = _first_in(path, came_or_went)
        if item is not None:
            yield Change(
                kind, name, item, None if was is None else "", None if will is None else "", whole=True
            )
        elif was != will:
            yield Change(kind, name, path, *((_HIDDEN, _HIDDEN) if hidden else (was, will)))


def _first_in(path: str, items: Collection[str]) -> str | None:
    """The outermost of the items that the path is in."""
    ends = (index + 1 for index, letter in enumerate(path) if letter == "]") if items else ()
    return next((path[:end] for end in ends if path[:end] in items), None)


def _items(node: Any, path: str) -> Iterator[str]:
    """The path of each item of a list that bears a name."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _items(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for label, item in zip(_labels(node), node, strict=True):
            if isinstance(item, Mapping) and "name" in item:
                yield f"{path}[{label}]"
            yield from _items(item, f"{path}[{label}]")


def _unequal(old: Any, new: Any) -> tuple[Any, Any]:
    """Both without most of what is equal: of 10,000 routes usually one has changed."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        apart = {key for key in {*old, *new} if key not in old or key not in new or old[key] != new[key]}
        apart |= {
            key for key in ("name",) if key in old and key in new
        }  # what an item of a list is called by
        if (old and apart.isdisjoint(old)) or (new and apart.isdisjoint(new)):
            apart.add(next(key for key in old if key in new))  # what only grew was not empty
        pairs = {key: _unequal(old[key], new[key]) for key in apart if key in old and key in new}
        return (
            {key: pairs[key][0] if key in pairs else old[key] for key in old if key in apart},
            {key: pairs[key][1] if key in pairs else new[key] for key in new if key in apart},
        )
    if isinstance(old, list) and isinstance(new, list):
        named_old, named_new = _by_name(old), _by_name(new)
        if named_old is not None and named_new is not None:
            one, other = _unequal(named_old, named_new)
            if (old and not one) or (new and not other):  # what only grew was not empty
                shared = next(name for name in named_old if name in named_new)
                one, other = {shared: named_old[shared], **one}, {shared: named_new[shared], **other}
            return list(one.values()), list(other.values())
    return old, new


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """Where each has a name of its own."""
    named = {str(item["name"]): item for item in items if isinstance(item, Mapping) and "name" in item}
    return named if len(named) == len(items) else None


def _leaves(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every scalar with its path; items that bear a name stand under it, so that an order alone is no
    change.
    """
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list) and node:
        for label, item in zip(_labels(node), node, strict=True):
            yield from _leaves(item, f"{path}[{label}]")
    else:
        yield path, _told(node) if isinstance(node, str) else json.dumps(node)


def _told(text: str) -> str:
    """The text; of one too long to be read, such as a description of services, what tells it apart."""
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[:_BEGINNING]}... ({len(text)} characters, {digest})"


def _labels(items: Sequence[Any]) -> Iterator[str]:
    """Names where there are any; equal ones are told apart, since a route may be several of Envoy's."""
    seen: Counter[str] = Counter()
    for index, item in enumerate(items):
        if not isinstance(item, Mapping) or "name" not in item:
            yield str(index)
            continue
        name = str(item["name"])
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"
