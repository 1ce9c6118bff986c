"""A file's mappings, read so that nothing in them is passed over: a key that nobody took is told at last."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from proxy.domain.errors import Problem


@dataclass(slots=True)
class Remarks:
    """What the file says that Sluice refuses, and what it says that is not kept or taken otherwise."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)


class Node:
    """One mapping and its place in the file. What is null counts as left out."""

    def __init__(self, raw: Mapping[Any, Any], path: str, said: Remarks) -> None:
        self.raw, self.path, self.said = raw, path, said
        self.taken: set[Any] = set()
        self._within: dict[str, Node] = {}

    def at(self, key: object) -> str:
        """The place of a key."""
        return f"{self.path}.{key}"

    def take(self, key: str) -> Any:
        self.taken.add(key)
        return self.raw.get(key)

    def wrong(self, key: str, message: str) -> None:
        self.take(key)
        self.said.problems.append((self.at(key), message))

    def note(self, key: str, message: str) -> None:
        self.take(key)
        self.said.notes.append((self.at(key), message))

    def text(self, key: str) -> str:
        """The text as it stands; empty where there is none."""
        found = self.take(key)
        if found is None or isinstance(found, str):
            return found or ""
        self.wrong(key, f"must be a text (given: {found!r})")
        return ""

    def flag(self, key: str) -> bool | None:
        found = self.take(key)
        if found is None or isinstance(found, bool):
            return found
        self.wrong(key, f"must be true or false (given: {found!r})")
        return None

    def number(self, key: str) -> Decimal | None:
        """Exactly as written; in quotes too, as some tools do."""
        found = self.take(key)
        if found is None:
            return None
        try:
            value = Decimal("NaN") if isinstance(found, bool) else Decimal(str(found))
        except InvalidOperation:
            value = Decimal("NaN")
        if value.is_finite():
            return value
        self.wrong(key, f"must be a number (given: {found!r})")
        return None

    def child(self, key: str) -> "Node | None":
        found = self.take(key)
        if found is None:
            return None
        return self._node(found, self.at(key))

    def children(self, key: str) -> list["Node"]:
        found = self.take(key)
        if found is not None and not isinstance(found, list):
            self.wrong(key, f"must be a list (given: {found!r})")
        items = enumerate(found) if isinstance(found, list) else ()
        nodes = [self._node(item, f"{self.at(key)}[{index}]") for index, item in items]
        return [node for node in nodes if node is not None]

    def _node(self, raw: Any, path: str) -> "Node | None":
        if not isinstance(raw, Mapping):
            self.said.problems.append((path, f"must be a mapping (given: {raw!r})"))
            return None
        return self._within.setdefault(path, Node(raw, path, self.said))

    def left(self) -> Iterator[Problem]:
        """What nobody took, here and below."""
        for key in self.raw:
            if key not in self.taken:
                yield self.at(key), "is no field of OpenSLO v1"
        for node in self._within.values():
            yield from node.left()
