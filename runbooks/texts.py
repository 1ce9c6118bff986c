"""The library: one Markdown file a runbook, with what a machine needs to know in its front matter."""

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import markdown
import nh3
import yaml

from runbooks import shelf
from runbooks.domain.definition import BadDefinition, Definition, definition_from
from runbooks.domain.policy import Policy, policy

LIBRARY = Path(__file__).parent / "library"
EXTENSIONS = ["tables", "fenced_code", "sane_lists"]
# What every text has; whatever else stands in its front matter is the machine's part.
FOR_PEOPLE = ("title", "summary", "severity", "owner", "policy")


class UnknownRunbook(Exception):
    """There is no runbook of this name."""


@dataclass(frozen=True, slots=True)
class Text:
    """One runbook as written. `definition` is the machine's part, which not every runbook has."""

    slug: str
    title: str
    summary: str
    severity: str
    owner: str
    definition: Definition | None
    policy: Policy
    source: str
    raw: str
    # Of a team's own: which version holds, and why it cannot be read any more, such as after an upgrade.
    version: int | None = None
    problem: str = ""

    @property
    def automated(self) -> bool:
        """Whether there is a machine's part, with a mode per tier."""
        return self.definition is not None

    @property
    def html(self) -> str:
        """The text rendered and sanitised: safe to show as it is."""
        return rendered(self.source)


def rendered(source: str) -> str:
    """Markdown as HTML without anything that runs."""
    return nh3.clean(markdown.markdown(source, extensions=EXTENSIONS))


@cache
def built_in() -> dict[str, Text]:
    """The texts that come with Sluice, by slug, which is the file's name. Raises ValueError."""
    return {path.stem: read(path.stem, path.read_text()) for path in sorted(LIBRARY.glob("*.md"))}


def library() -> dict[str, Text]:
    """Every text by slug: those that come with Sluice, then teams' own as they hold now. One query."""
    rows = [row for row in shelf.newest().values() if row.slug not in built_in()]
    return {**built_in(), **{row.slug: _own(row.slug, row.number, row.source) for row in rows}}


def automated() -> dict[str, Definition]:
    """The definitions of the runbooks that have a machine's part, by slug."""
    return {slug: each.definition for slug, each in library().items() if each.definition is not None}


def text(slug: str) -> Text:
    """Raises UnknownRunbook."""
    if slug in built_in():
        return built_in()[slug]
    row = shelf.latest(slug)
    if row is None or row.gone:
        raise UnknownRunbook(f"there is no runbook {slug}")
    return _own(row.slug, row.number, row.source)


def read(slug: str, raw: str) -> Text:
    """A file's content as a text: `---`, YAML, `---`, Markdown. Raises ValueError."""
    opening, fence, rest = raw.partition("---\n")
    front, closing, body = rest.partition("\n---\n")
    if opening or not fence or not closing:
        raise ValueError(f"{slug}: the front matter stands between two lines of ---")
    meta: dict[str, Any] = yaml.safe_load(front)
    definition = _definition(slug, meta)
    return Text(
        slug=slug,
        title=str(meta["title"]),
        summary=str(meta["summary"]),
        severity=str(meta["severity"]),
        owner=str(meta["owner"]),
        definition=definition,
        policy=policy(meta.get("policy", {}), definition.policy if definition else None),
        source=body.strip(),
        raw=raw,
    )


@lru_cache(maxsize=1024)
def _own(slug: str, number: int, source: str) -> Text:
    """A version was sound when it was declared: one that is not any more says so, and watches nothing."""
    try:
        return replace(read(slug, source), version=number)
    except (ValueError, KeyError, yaml.YAMLError) as error:
        why = f"Version {number} cannot be read by this Sluice, and watches nothing: {error}"
        return Text(slug, slug, why, "ticket", "", None, Policy(), source, source, number, why)


def _definition(slug: str, meta: dict[str, Any]) -> Definition | None:
    """The machine's part, with the words that a run keeps of the people's. Raises BadDefinition."""
    machine = {name: value for name, value in meta.items() if name not in FOR_PEOPLE}
    if not machine:
        return None
    try:
        return definition_from({**machine, "title": meta["title"], "severity": meta["severity"]})
    except BadDefinition as error:
        raise BadDefinition(f"{slug}: {error}") from error
