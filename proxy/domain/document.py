"""From the text of a declaration to tiers: every mistake is found and told with its path in the file."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from proxy.domain import safety
from proxy.domain.errors import Invalid, Problem
from proxy.domain.observed import ObservedTier, is_one
from proxy.domain.referring import doubles, name_of, references
from proxy.domain.tier import Tier

MOST_NODES = 2_000_000
"""How much a file may hold when each alias is read as what it stands for: thousands of objectives fit."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class _Loader(yaml.CSafeLoader):
    """YAML in which a key that stands twice is an error, not the last one wins. `<<: *anchor` is taken."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._flat: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merges `<<`, once a mapping. Its own keys win here: PyYAML leaves both in it, and the mapping that
        merges it in turn would take the first.
        """
        if id(node) not in self._flat:
            self._flat.add(id(node))
            self._refusedoubles(node)
            super().flatten_mapping(node)
            node.value = list({self._key(pair[0]): pair for pair in node.value}.values())

    def _refusedoubles(self, node: yaml.MappingNode) -> None:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self._key(key_node)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)

    def _key(self, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a word", node.start_mark)
        return "<<" if node.tag == "tag:yaml.org,2002:merge" else self.construct_object(node, deep=True)


def load(text: str, *, environment: Mapping[str, str], as_written: Collection[str] = ()) -> dict[str, Any]:
    """The document of a YAML text, with `${NAME:-default}` in its scalars replaced from `environment`, but
    for what stands under a key of `as_written`.

    Raises Invalid where the text is no YAML mapping or a variable has neither a value nor a default.
    """
    errors: list[Problem] = []
    try:
        read = _read(text)
        kept = {key: read[key] for key in as_written if key in read}
        rest = {key: value for key, value in read.items() if key not in kept}
        filled = {**_fill(rest, "", environment, errors), **kept}
    except RecursionError as error:
        raise Invalid([("", "nested too deeply, or an anchor holds itself")]) from error
    if errors:
        raise Invalid(errors)
    return filled


def stream(text: str) -> list[Any]:
    """Every document of a YAML stream as it stands, such as a file of another tool. Raises Invalid."""
    try:
        found = list(_yaml(lambda: list(yaml.load_all(text, Loader=_Loader))))
        size = _size(found, {})
    except RecursionError as error:
        raise Invalid([("", "nested too deeply, or an anchor holds itself")]) from error
    if size > MOST_NODES:
        raise Invalid([("", f"its aliases stand for more than {MOST_NODES:,} values")])
    return found


def _size(node: Any, known: dict[int, int]) -> int:
    """How many values it is for whoever follows each alias: ten lines can be a billion. Looks at each once;
    a hundred characters of a text are one more.
    """
    if not isinstance(node, dict | list):
        return 1 + (len(node) // 100 if isinstance(node, str) else 0)
    if id(node) not in known:
        within = [*node, *node.values()] if isinstance(node, dict) else node
        known[id(node)] = 1 + sum(_size(each, known) for each in within)
    return known[id(node)]


def _yaml(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: a date that no calendar has
        raise Invalid([("", f"not YAML: {' '.join(str(error).split())}")]) from error


def _read(text: str) -> dict[Any, Any]:
    read = _yaml(lambda: yaml.load(text, Loader=_Loader))  # noqa: S506  # safe, with a check for double keys
    if not isinstance(read, dict):
        raise Invalid([("", "the file must hold a mapping with the key tiers")])
    return read


def _fill(node: Any, path: str, environment: Mapping[str, str], errors: list[Problem]) -> Any:
    if isinstance(node, dict):
        return {key: _fill(value, _join(path, key), environment, errors) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(item, f"{path}[{index}]", environment, errors) for index, item in enumerate(node)]
    if node is None:
        # A demand or a limit that somebody began to write must not be one that he left out.
        errors.append((path, "is empty: write its value, or leave the key out"))
    if not isinstance(node, str):
        return node

    def value(match: re.Match[str]) -> str:
        given = environment.get(match[1]) or match[2]
        if given is None:
            errors.append((path, f"the variable {match[1]} is not set and has no default"))
        return given or ""

    return _VARIABLE.sub(value, node)


def parse(document: Mapping[str, Any], *, beside: Collection[str] = ()) -> tuple[Tier, ...]:
    """The driven tiers of a document. Raises Invalid with every mistake in it, not only the first.

    `beside` are the keys that may stand beside the tiers, or in their place.
    """
    errors: list[Problem] = [(str(key), "unknown key") for key in document if key not in {"tiers", *beside}]
    raw_tiers = document.get("tiers")
    if "tiers" not in document and not errors and set(document) & set(beside):
        return ()
    if not isinstance(raw_tiers, list) or not raw_tiers:
        raise Invalid([*errors, ("tiers", "must be a list with at least one tier")])
    found = [_tier(raw, f"tiers[{index}]", errors) for index, raw in enumerate(raw_tiers)]
    errors += doubles(((i, name_of(raw)) for i, raw in enumerate(raw_tiers)), "tiers[{}].name", "tier")
    if errors:
        raise Invalid(errors)
    return tuple(tier for tier in found if isinstance(tier, Tier))


def observed(document: Mapping[str, Any]) -> tuple[ObservedTier, ...]:
    """The tiers of a document that are to be watched only; `parse` has found the document right."""
    return tuple(ObservedTier.model_validate(raw) for raw in document.get("tiers", ()) if is_one(raw))


def _tier(raw: Any, path: str, errors: list[Problem]) -> Tier | ObservedTier | None:
    """The tier, where its fields are right; what is wrong is added to the errors."""
    if not isinstance(raw, dict):
        errors.append((path, "must be a mapping"))
        return None
    tier: Tier | ObservedTier | None = None
    try:
        tier = (ObservedTier if is_one(raw) else Tier).model_validate(raw)
        errors += safety.problems(tier, path) if isinstance(tier, Tier) else []
    except ValidationError as error:
        found = error.errors()
        errors += [
            (_path(path, _as_written(raw, item["loc"])), worded(item))
            for item in found
            if not _echo(item, found)
        ]
    errors += [] if is_one(raw) else references(raw, path)
    return tier


def _echo(item: Any, found: Sequence[Any]) -> bool:
    """Pydantic also calls a list too short when its only item is wrong."""
    return item["type"] == "too_short" and any(
        other is not item and other["loc"][: len(item["loc"])] == item["loc"] for other in found
    )


def _as_written(raw: Any, location: Sequence[int | str]) -> list[int | str]:
    """The location in the file: without the branches of a union, which pydantic names in it, and of what was
    written in its short form `prefix`, not `match.prefix`.
    """
    found: list[int | str] = []
    node = raw
    for part, following in zip(location, (*location, None)[1:], strict=True):
        if isinstance(node, dict) and part not in node and following in node:
            continue
        if _BRANCH.fullmatch(str(part)) and not (isinstance(node, dict) and part in node):
            continue
        found.append(part)
        node = _within(node, part)
    return found


def _within(node: Any, part: int | str) -> Any:
    """What stands there, or None."""
    try:
        return node[part]
    except (KeyError, IndexError, TypeError):
        return None


def _path(start: str, location: Sequence[int | str]) -> str:
    path = start
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, part)
    return path


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


_BRANCH = re.compile(r"literal\[.*\]|function-\w+\[.*\]|\[key\]|[A-Z]\w*")

_PLAIN: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is missing",
    "extra_forbidden": lambda _: "unknown key",
    "model_type": lambda _: "must be a mapping",
    "too_short": lambda _: "must not be empty",
    "dict_type": lambda _: "must be a mapping",
    "tuple_type": lambda item: (
        "must be a list" + (f": [{item['input']}]" if isinstance(item["input"], str) else "")
    ),
    "string_pattern_mismatch": lambda item: f"{item['input']!r} is not of the form {item['ctx']['pattern']}",
}


def worded(item: Any) -> str:
    """What pydantic found, in plain words."""
    plain = _PLAIN.get(item["type"])
    if plain is not None:
        return plain(item)
    text: str = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    given = item["input"]
    return f"{text} (given: {given!r})" if isinstance(given, str | int | float) else text
