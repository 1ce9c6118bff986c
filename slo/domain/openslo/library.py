"""All objects of a file, by kind and name: what an SLO refers to is looked up here."""

from collections.abc import Iterable, Mapping
from typing import Any

from slo.domain.openslo.nodes import Node, Remarks
from slo.domain.openslo.vocabulary import KINDS, VERSIONS


class Library:
    """The objects, and which of them something refers to."""

    def __init__(self, said: Remarks) -> None:
        self.said = said
        self._found: dict[tuple[str, str], Node] = {}
        self._used: set[tuple[str, str]] = set()

    def add(self, raw: Any, place: str) -> None:
        """Takes one document; `place` names it until its own name is known."""
        if not isinstance(raw, Mapping):
            self._refuse(place, "must be a mapping with apiVersion, kind, metadata and spec")
            return
        kind, metadata = raw.get("kind"), raw.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        if raw.get("apiVersion") not in VERSIONS:
            self._refuse(f"{place}.apiVersion", f"must be {VERSIONS[0]} (given: {raw.get('apiVersion')!r})")
        elif kind not in KINDS:
            self._refuse(f"{place}.kind", f"must be one of {', '.join(KINDS)} (given: {kind!r})")
        elif not isinstance(name, str) or not name:
            self._refuse(f"{place}.metadata.name", "is missing")
        elif (kind, name) in self._found:
            self._refuse(f"{place}.metadata.name", f"there is another {kind} {name}")
        else:
            self._found[kind, name] = Node(raw, f"{kind}[{name}]", self.said)

    def get(self, kind: str, name: str) -> Node | None:
        self._used.add((kind, name))
        return self._found.get((kind, name))

    def slos(self) -> list[Node]:
        """All of them, in the order of the file."""
        found = [key for key in self._found if key[0] == "SLO"]
        self._used.update(found)
        return [self._found[key] for key in found]

    def read(self, kind: str = "") -> list[Node]:
        """The SLOs and what they refer to, of one kind or of all."""
        return [node for key, node in self._found.items() if key in self._used and kind in ("", key[0])]

    def unread(self) -> list[Node]:
        """What no SLO refers to."""
        return [node for key, node in self._found.items() if key not in self._used]

    def _refuse(self, path: str, message: str) -> None:
        self.said.problems.append((path, message))


def library(documents: Iterable[Any], said: Remarks) -> Library:
    """Of the documents of a stream, each an object or a list of them; an empty one is none."""
    found = Library(said)
    for index, document in enumerate(documents):
        if isinstance(document, list):
            for inner, raw in enumerate(document):
                found.add(raw, f"documents[{index}][{inner}]")
        elif document is not None:
            found.add(document, f"documents[{index}]")
    return found
