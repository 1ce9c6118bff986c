"""What people fill in on the dashboard's pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from access.act import ReasonForm


@dataclass(frozen=True, slots=True)
class Preset:
    """A fault that one press sets."""

    name: str
    label: str
    says: str
    fault: Mapping[str, Any]


PRESETS = (
    Preset("errors", "30 % errors", "Three in ten requests are answered 500", {"error_rate": 0.3}),
    Preset("slow", "+300 ms", "Every answer comes 300 ms later", {"latency_ms": 300}),
    Preset("refuse", "Refuse", "The socket is closed: connections are refused", {"refuse": True}),
    Preset(
        "cut",
        "Cut connections",
        "Eight in ten requests are cut without an answer, so that the proxy tries again",
        {"error_rate": 0.8, "reset": True},
    ),
    Preset(
        "hidden",
        "Cut first attempts",
        "Three in ten first attempts are cut and every retry works: clients feel nothing",
        {"error_rate": 0.3, "reset": True, "first_attempt_only": True},
    ),
    Preset("heal", "Heal", "Healthy again", {}),
)


class FaultForm(forms.Form):
    """A fault of the lab, by its preset."""

    backend = forms.CharField(max_length=63)
    preset = forms.ChoiceField(choices=[(each.name, each.label) for each in PRESETS])

    def fault(self) -> dict[str, Any]:
        """The fault as the lab's API takes it."""
        chosen = next(each for each in PRESETS if each.name == self.cleaned_data["preset"])
        return {"backend": self.cleaned_data["backend"], **chosen.fault}


class RevertForm(ReasonForm):
    """Why one goes back, and the newest revision that the page showed."""

    base = forms.IntegerField(min_value=1)


class DrainForm(ReasonForm):
    """What is taken out of use and for how long, or used again."""

    what = forms.CharField(max_length=200)
    minutes = forms.IntegerField(min_value=1, max_value=7 * 24 * 60, required=False)
    undo = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("undo") and not cleaned.get("minutes"):
            self.add_error("minutes", "say for how long")
        return cleaned


class RoutesForm(forms.Form):
    """Narrows the routes. A tier that does not exist narrows to nothing; what is invalid is as if it were not
    there.
    """

    text = forms.CharField(
        label="Search",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "name, host …"}),
    )
    tier = forms.CharField(required=False, max_length=63, widget=forms.Select)
    page = forms.IntegerField(required=False, min_value=1, max_value=10_000, widget=forms.HiddenInput)

    def __init__(self, asked: QueryDict, tiers: Sequence[str]) -> None:
        super().__init__(asked)
        self.full_clean()
        offered = [*tiers, *({self.asked("tier")} - {"", *tiers})]
        self.fields["tier"].widget = forms.Select(
            choices=[("", "every tier"), *((one, one) for one in offered)]
        )

    def asked(self, name: str) -> str:
        """Empty where it is not given, or is not valid."""
        return str(self.cleaned_data.get(name) or "")

    @property
    def number(self) -> int:
        """The page that is asked for, from 1."""
        return self.cleaned_data.get("page") or 1

    @property
    def narrows(self) -> bool:
        return bool(self.asked("text") or self.asked("tier"))


class BetweenForm(forms.Form):
    """Two revisions."""

    before = forms.IntegerField(min_value=0)
    after = forms.IntegerField(min_value=1)

    def asked(self, *, newest: int) -> tuple[int, int]:
        """The two; what is not given, or invalid, asks what the newest one changed."""
        if not self.is_valid():
            return newest - 1, newest
        return self.cleaned_data["before"], self.cleaned_data["after"]


class AuditForm(forms.Form):
    """Narrows the record."""

    actor = forms.CharField(max_length=150, required=False)
    action = forms.CharField(
        max_length=64, required=False, help_text="From its beginning, such as “rollout.”"
    )
    target = forms.CharField(max_length=200, required=False)

    def asked(self) -> dict[str, Any]:
        """The filters that were given; what is invalid filters nothing."""
        cleaned = self.cleaned_data if self.is_valid() else {}
        return {name: value.strip() for name, value in cleaned.items() if value.strip()}
