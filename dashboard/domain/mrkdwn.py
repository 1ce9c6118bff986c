"""What a message says, from Slack's Block Kit: only what Sluice itself sends is understood."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

_PART = re.compile(r"<(?P<url>https?://[^|>]+)\|(?P<words>[^>]*)>|\*(?P<strong>[^*\n]+)\*")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of text: plain, strong, or a link."""

    text: str
    strong: bool = False
    url: str = ""


def parts(text: str) -> tuple[Part, ...]:
    """One text in pieces. Slack's three entities are read back; the template escapes again."""
    found: list[Part] = []
    end = 0
    for match in _PART.finditer(text):
        if match.start() > end:
            found.append(Part(unescape(text[end : match.start()])))
        if match["url"]:
            found.append(Part(unescape(match["words"]), url=match["url"]))
        else:
            found.append(Part(unescape(match["strong"]), strong=True))
        end = match.end()
    if end < len(text):
        found.append(Part(unescape(text[end:])))
    return tuple(found)


def lines(blocks: Sequence[Mapping[str, Any]]) -> tuple[tuple[Part, ...], ...]:
    """A message's blocks, one line each; the fields of a section are one line together."""
    return tuple(parts(" ".join(text.split("\n"))) for block in blocks for text in _texts(block) if text)


def _texts(block: Mapping[str, Any]) -> Iterator[str]:
    if "text" in block:
        yield str(block["text"].get("text", ""))
    if block.get("type") == "actions":
        yield "  ".join(f"[{button['text']['text']}]" for button in block["elements"])
        return
    rest = (*block.get("fields", ()), *block.get("elements", ()))
    yield " · ".join(each["text"] for each in rest if isinstance(each.get("text"), str))
