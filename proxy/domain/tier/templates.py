"""Path templates as Envoy takes them: `/orders/{id}/items`, `/files/{rest=**}`."""

import re

MOST_VARIABLES = 5
_LITERAL = r"[A-Za-z0-9\-._~%!$&'()+,;:@]+"
_VARIABLE = re.compile(r"\{([A-Za-z][A-Za-z0-9_]{0,15})(?:=(\*\*|\*))?\}")
_SEGMENT = re.compile(rf"{_LITERAL}|\*|\*\*|{_VARIABLE.pattern}")
_OPERATOR = re.compile(r"\*\*?|\{[^}]*\}")


def template(value: str) -> str:
    """The template itself. Raises ValueError where Envoy would refuse it."""
    segments = value.split("/")[1:]
    if not value.startswith("/") or not all(map(_SEGMENT.fullmatch, segments)):
        raise ValueError("not a path template: write /orders/{id}/items, * for a segment, ** for the rest")
    if any("**" in segment for segment in segments[:-1]):
        raise ValueError("** takes the rest of the path, so that it must be the last segment")
    names = variables(value)
    if len(names) > MOST_VARIABLES:
        raise ValueError(f"has {len(names)} variables, and Envoy takes {MOST_VARIABLES}")
    if len(set(names)) != len(names):
        raise ValueError("names a variable twice")
    return value


def variables(value: str) -> list[str]:
    """The names in the template, in order."""
    return [found[1] for found in _VARIABLE.finditer(value)]


def literal(value: str) -> str:
    """The template without its variables: the longer, the more it demands."""
    return _OPERATOR.sub("", value)


def head(value: str) -> str:
    """What every path of the template begins with."""
    found = _OPERATOR.search(value)
    return value[: found.start()] if found else value
