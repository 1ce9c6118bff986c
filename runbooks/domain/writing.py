"""A runbook as a team writes it: front matter and text, as a Markdown file or as a part of a declaration.

The file's own words are kept, with their order and comments. What counts as a change is what they say.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from proxy.domain import document
from proxy.domain.errors import Invalid

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
# Words that stand in the place of a slug on the command line.
TAKEN = ("apply", "delete", "export", "history", "rehearse")
FENCE = "---\n"
WIDTH = 110


@dataclass(frozen=True, slots=True)
class Written:
    """One runbook: `front` is its front matter, `body` its Markdown, `source` the whole file."""

    slug: str
    front: dict[str, Any]
    body: str
    source: str

    @property
    def digest(self) -> str:
        """The same for what says the same, however it is written; the order of names counts."""
        said = json.dumps([self.front, self.body], default=str)
        return hashlib.sha256(said.encode()).hexdigest()


def from_markdown(slug: str, source: str) -> Written:
    """A file's content: `---`, YAML, `---`, Markdown. Raises Invalid."""
    source = source.replace("\r\n", "\n")
    opening, fence, rest = source.partition(FENCE)
    front, closing, body = rest.partition(f"\n{FENCE}")
    if opening or not fence or not closing:
        raise Invalid([("", "the front matter stands between two lines of ---")])
    found = document.stream(front)
    if len(found) != 1 or not isinstance(found[0], dict):
        raise Invalid([("", "the front matter must be a mapping")])
    return Written(slug, {str(name): value for name, value in found[0].items()}, body.strip(), source)


def from_declaration(given: Mapping[str, Any]) -> Written:
    """An item of a declaration: `slug`, `text` and the front matter's keys beside them."""
    front = {str(name): value for name, value in given.items() if name not in ("slug", "text")}
    text = given.get("text")
    body = text.strip() if isinstance(text, str) else ""
    return Written(str(given.get("slug", "")), front, body, _rendered(front, body))


def as_declaration(written: Written) -> dict[str, Any]:
    """What `from_declaration` reads back to the same digest."""
    return {"slug": written.slug, **written.front, "text": f"{written.body}\n"}


def lines_of(written: Written) -> dict[str, Any]:
    """What a comparison of two versions looks at: the text by its lines."""
    return {**written.front, "text": written.body.splitlines()}


def _rendered(front: Mapping[str, Any], body: str) -> str:
    text = yaml.dump(dict(front), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    return f"{FENCE}{text}{FENCE}{body}\n"
