"""The library: one Markdown file a runbook, with what a machine needs to know in its front matter."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import markdown
import nh3
import yaml

from runbooks.domain.policy import Policy, policy

LIBRARY = Path(__file__).parent / "library"
EXTENSIONS = ["tables", "fenced_code", "sane_lists"]


class UnknownRunbook(Exception):
    """There is no runbook of this name."""


@dataclass(frozen=True, slots=True)
class Text:
    """One runbook as written. `automated`: it has a machine's part, with a mode per tier."""

    slug: str
    title: str
    summary: str
    severity: str
    owner: str
    automated: bool
    policy: Policy
    source: str

    @property
    def html(self) -> str:
        """The text rendered and sanitised: safe to show as it is."""
        return nh3.clean(markdown.markdown(self.source, extensions=EXTENSIONS))


@cache
def library() -> dict[str, Text]:
    """Every text by slug, which is the file's name. Raises ValueError where the front matter is wrong."""
    return {path.stem: read(path.stem, path.read_text()) for path in sorted(LIBRARY.glob("*.md"))}


def text(slug: str) -> Text:
    """Raises UnknownRunbook."""
    try:
        return library()[slug]
    except KeyError:
        raise UnknownRunbook(f"there is no runbook {slug}") from None


def read(slug: str, raw: str) -> Text:
    """A file's content as a text: `---`, YAML, `---`, Markdown. Raises ValueError."""
    opening, fence, rest = raw.partition("---\n")
    front, closing, body = rest.partition("\n---\n")
    if opening or not fence or not closing:
        raise ValueError(f"{slug}: the front matter stands between two lines of ---")
    meta: dict[str, Any] = yaml.safe_load(front)
    return Text(
        slug=slug,
        title=str(meta["title"]),
        summary=str(meta["summary"]),
        severity=str(meta["severity"]),
        owner=str(meta["owner"]),
        automated=bool(meta.get("automated", False)),
        policy=policy(meta.get("policy", {})),
        source=body.strip(),
    )
