"""An action that a page offers: its button opens a confirmation, which shows the exact change first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django import forms


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the exact change: `where` it is, and its sides; an empty side is not there."""

    where: str = ""
    before: str = ""
    after: str = ""


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
    hidden: Mapping[str, str] = field(default_factory=dict)


class ReasonForm(forms.Form):
    """Why a person does it: always asked, always kept."""

    reason = forms.CharField(max_length=500)


def first_error(form: forms.Form) -> str:
    """The first thing that is wrong with a form, for a message."""
    name, errors = next(iter(form.errors.items()))
    return f"{name}: {errors[0]}"
