"""What a path begins with: which regular expressions take all that some other route could."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from proxy.domain.tier.matching import Match
from proxy.domain.tier.templates import head

_PLAIN = r"(?:[A-Za-z0-9/_~%&=,:;@!'-]|\\[^A-Za-z0-9])*"
_ALL_BELOW = re.compile(rf"\^?({_PLAIN})(\(/\.\*\)\?|\(\?:/\.\*\)\?|\.\*)\$?")
_START = re.compile(rf"\^?({_PLAIN})")
_ESCAPE = re.compile(r"\\(.)")


class Head(NamedTuple):
    """All paths that begin with `text`; where it is `separated`, `text` itself and those below `text/`."""

    text: str
    separated: bool


def wide(match: Match) -> Head | None:
    """What the match takes whole, if it is a regular expression that is a prefix in disguise.

    A template is never one: its `**` takes the characters of a path that need no escape only.
    """
    kind, text = match.by
    found = _ALL_BELOW.fullmatch(text) if kind == "safe_regex" else None
    if found is None or (found[1] and not found[1].startswith("/")):
        return None
    return Head(_ESCAPE.sub(r"\1", found[1]), found[2] != ".*")


def whole(match: Match) -> Head | None:
    """What a prefix, or a regular expression that is one in disguise, takes whole."""
    kind, text = match.by
    return Head(text, not text.endswith("/")) if kind == "prefix" else wide(match)


def above(match: Match) -> Iterator[Head]:
    """Every head whose paths include all of the match's."""
    begins = beginning(match)
    kind, text = match.by
    for end in range(len(begins) + 1):
        yield Head(begins[:end], False)
        if begins[end : end + 1] == "/":
            yield Head(begins[:end], True)
    if kind == "path" or (kind == "prefix" and not text.endswith("/")):
        yield Head(text, True)


def beginning(match: Match) -> str:
    """What every path of the match begins with. Where neither of two begins the other, no path is both's."""
    kind, text = match.by
    if kind == "path_template":
        return head(text)
    if kind != "safe_regex":
        return text
    return _ESCAPE.sub(r"\1", _literal_start(text))


def _literal_start(regex: str) -> str:
    """What every match begins with; `/` alone where an alternative or a quantifier leaves more open."""
    if "|" in regex:
        return "/"
    plain = _START.match(regex)
    if plain is None or not plain[1]:
        return "/"
    if regex[plain.end() : plain.end() + 1] in ("*", "?", "{"):
        return re.sub(r"(?:\\.|.)$", "", plain[1]) or "/"
    return plain[1]
