"""An action that a page offers: its button opens a confirmation, which shows the exact change first."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix

from django import forms


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the exact change: `where` it is, and its sides; an empty side is not there."""

    where: str = ""
    before: str = ""
    after: str = ""


_CHANGE = re.compile(r"~ (?P<what>[^:]+): (?P<path>\S+): (?P<before>.*) -> (?P<after>.*)", re.DOTALL)
NOTHING = "(none)"


def difference(changes: Sequence[str]) -> list[Line]:
    """Changes as `proxy` writes them (`~ what: path: before -> after`), their common path said once."""
    found = [_CHANGE.fullmatch(text) for text in changes]
    known = [match for match in found if match]
    if len(known) < len(changes) or not known:
        return [Line(where=text) for text in changes]
    # Letter by letter is meant: what is shared is then cut back to a whole step of the path.
    shared = commonprefix([match["path"] for match in known]).rpartition(".")[0]  # noqa: RUF071  # see above
    tops = {f"{match['what']} {shared}".strip() for match in known}
    if len(tops) > 1:
        return [Line(where=text) for text in changes]
    cut = len(shared) + 1 if shared else 0
    return [Line(where=tops.pop()), *(_side_by_side(match, match["path"][cut:]) for match in known)]


def _side_by_side(match: re.Match[str], path: str) -> Line:
    before, after = (
        "" if match[side] == NOTHING else f"{path}: {match[side]}" for side in ("before", "after")
    )
    return Line(before=before, after=after)


@dataclass(frozen=True, slots=True)
class Act:
    """What the template `components/act.html` draws. `verb` is its last part of `url` and its identifier."""

    verb: str
    label: str
    url: str
    says: str = ""
    change: Sequence[Line] = ()
    danger: bool = False
    silence: bool = False
    latest: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)


class ReasonForm(forms.Form):
    """Why a person does it: always asked, always kept."""

    reason = forms.CharField(max_length=500)


def first_error(form: forms.Form) -> str:
    """The first thing that is wrong with a form, for a message that goes on or ends by itself."""
    name, errors = next(iter(form.errors.items()))
    return f"{name}: {str(errors[0]).removesuffix('.')}"
