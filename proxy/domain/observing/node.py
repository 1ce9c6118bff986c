"""Walking through JSON that nobody promised anything about: no shape of it raises.

Envoy prints `stat_prefix`, Go's tools print `statPrefix`; a wrapped number may be `5`, `"5"` or
`{"value": 5}`, a duration `"0.25s"` or `{"seconds": 0, "nanos": 250000000}`. What has another shape than the
asked one is noted with its path and read as absent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from proxy.domain.observing.known import FIELDS
from proxy.domain.observing.seen import Note

MOST_NOTES = 200
MOST_CHARACTERS = 200
_DURATION = re.compile(r"-?\d{1,12}(\.\d{1,12})?s")
_UPPER = re.compile(r"(?<=[a-z0-9])([A-Z])")


def snake(key: str) -> str:
    """`statPrefix` and `stat_prefix` as the latter."""
    return _UPPER.sub(lambda found: "_" + found[1].lower(), key)


@dataclass
class Notebook:
    """What was not understood, each thing once with its first path."""

    _found: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, path: str, what: str) -> None:
        held = self._found.get(what)
        if held is not None:
            held[1] += 1
        elif len(self._found) < MOST_NOTES:
            self._found[what] = [path, 1]

    def notes(self) -> tuple[Note, ...]:
        return tuple(Note(path, what, times) for what, (path, times) in self._found.items())


@dataclass(frozen=True, slots=True)
class Node:
    """A value somewhere in the document, with its path; `value` None is absent."""

    value: Any
    path: str
    notebook: Notebook

    def __bool__(self) -> bool:
        """Whether it is there. An empty message is there: `resource_monitors: {}` says something."""
        return self.value is not None

    def get(self, key: str) -> "Node":
        """A field by Envoy's name, whatever way it is written."""
        fields = self.value if isinstance(self.value, dict) else {}
        if self.value is not None and not isinstance(self.value, dict):
            self.note("a message was expected here")
        found = fields.get(key)
        if found is None and "_" in key:
            first, *rest = key.split("_")
            found = fields.get(first + "".join(part.capitalize() for part in rest))
        return Node(found, f"{self.path}.{key}" if self.path else key, self.notebook)

    def at(self, *keys: str) -> "Node":
        """A field of a field."""
        node = self
        for key in keys:
            node = node.get(key)
        return node

    def items(self) -> Iterator["Node"]:
        """The entries of a list; their path bears their name where they have one.

        A lone message where a list belongs is a list of one: Envoy takes it so too.
        """
        value = [self.value] if isinstance(self.value, dict) else self.value
        if value is not None and not isinstance(value, list | tuple):
            self.note("a list was expected here")
            return
        for index, item in enumerate(value or ()):
            name = item.get("name") if isinstance(item, dict) else None
            label = name if isinstance(name, str) and name else str(index)
            yield Node(item, f"{self.path}[{_short(label)}]", self.notebook)

    def entries(self) -> Iterator[tuple[str, "Node"]]:
        """The entries of a map."""
        if self.value is not None and not isinstance(self.value, dict):
            self.note("a map was expected here")
            return
        for key, item in (self.value or {}).items():
            yield _clean(str(key)), Node(item, f"{self.path}[{_short(str(key))}]", self.notebook)

    def text(self) -> str:
        """A text, or a number or a truth as written; "" where there is none."""
        if isinstance(self.value, str):
            return _clean(self.value)
        if isinstance(self.value, bool | int | float):
            return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)
        if self.value is not None:
            self.note("a text was expected here")
        return ""

    def texts(self) -> tuple[str, ...]:
        """The texts of a list."""
        return tuple(found for found in (item.text() for item in self.items()) if found)

    def number(self) -> float | None:
        """A number, bare, as text or wrapped."""
        value = self.value.get("value") if isinstance(self.value, dict) else self.value
        if value is None:
            # A wrapper that holds the default is printed empty.
            return 0.0 if isinstance(self.value, dict) and not self.value else None
        try:
            found = float(value) if not isinstance(value, bool) else None
        except (TypeError, ValueError, OverflowError):
            found = None
        if found is None or not isfinite(found):
            self.note("a number was expected here")
            return None
        return found

    def flag(self) -> bool | None:
        """A truth, bare or wrapped."""
        value = self.value.get("value", False) if isinstance(self.value, dict) else self.value
        if value is None or isinstance(value, bool):
            return value
        self.note("true or false was expected here")
        return None

    def seconds(self) -> float | None:
        """A duration in seconds."""
        if isinstance(self.value, dict):
            whole, nanos = self.get("seconds").number() or 0.0, self.get("nanos").number() or 0.0
            return whole + nanos / 1e9
        if self.value is None:
            return None
        if isinstance(self.value, str) and _DURATION.fullmatch(self.value):
            return float(self.value[:-1])
        self.note("a duration was expected here")
        return None

    def known(self, message: str) -> "Node":
        """The same, once every field that Envoy 1.40 does not know in this message is noted."""
        fields = FIELDS[message]
        for key in self.value if isinstance(self.value, dict) else ():
            name = snake(str(key))
            if name not in fields and not name.startswith("@") and not name.startswith("hidden_envoy_"):
                self.note(f"{message} has a field that Envoy 1.40 does not know: {_short(name)}")
        return self

    def note(self, what: str) -> None:
        self.notebook.add(_middle_out(_clean(self.path)), _clean(what[:MOST_CHARACTERS]))


def _middle_out(path: str) -> str:
    """A long path without its middle: which resource it is stands first, and which part of it last."""
    half = MOST_CHARACTERS // 2
    return path if len(path) <= MOST_CHARACTERS else f"{path[:half]} ... {path[-half:]}"


def _clean(text: str) -> str:
    """Without what no database and no page takes: half characters and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _short(text: str) -> str:
    clean = _clean(text)
    return clean if len(clean) <= 60 else f"{clean[:57]}..."
