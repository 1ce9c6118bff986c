"""What people fill in about incidents."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.http import QueryDict

from access.act import ReasonForm
from alerts.domain.silence import LONGEST
from alerts.domain.states import INCIDENT
from alerts.domain.wanted import Wanted

STATES = (("", "open or not"), ("open", "not resolved"), *((name.lower(), name.lower()) for name in INCIDENT))


class SilenceForm(ReasonForm):
    """For how long or until when in UTC, and why."""

    minutes = forms.IntegerField(min_value=1, max_value=LONGEST // timedelta(minutes=1), required=False)
    until = forms.DateTimeField(required=False, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not cleaned.get("until") and not cleaned.get("minutes"):
            self.add_error("until", "say for how long, or until when")
        return cleaned

    def end(self, now: datetime) -> datetime:
        """When it ends. A moment that was written goes before a length that was chosen."""
        until: datetime | None = self.cleaned_data.get("until")
        if until is not None:
            return until.replace(tzinfo=UTC)
        return now + timedelta(minutes=self.cleaned_data["minutes"])


class IncidentsForm(forms.Form):
    """Narrows the incidents. What is invalid is as if it were not there."""

    text = forms.CharField(
        label="Search",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "words, #number …"}),
    )
    state = forms.ChoiceField(required=False, choices=STATES)
    tier = forms.CharField(required=False, max_length=63, widget=forms.Select)
    severity = forms.ChoiceField(
        required=False, choices=[("", "page or ticket"), ("page", "page"), ("ticket", "ticket")]
    )
    explained = forms.ChoiceField(
        required=False, choices=[("", "with their cause"), ("on", "in the list, too")]
    )
    page = forms.IntegerField(required=False, min_value=1, max_value=100_000, widget=forms.HiddenInput)

    def __init__(self, asked: QueryDict, tiers: Sequence[str]) -> None:
        super().__init__(_lower(asked))
        self.full_clean()
        offered = [*tiers, *({self._asked("tier")} - {"", *tiers})]
        self.fields["tier"].widget = forms.Select(
            choices=[("", "every tier"), *((one, one) for one in offered)]
        )

    @property
    def wanted(self) -> Wanted:
        return Wanted(
            text=self._asked("text"),
            state=self._asked("state"),
            tier=self._asked("tier"),
            severity=self._asked("severity"),
            explained=bool(self.cleaned_data.get("explained")),
        )

    @property
    def number(self) -> int:
        """The page that is asked for, from 1."""
        return self.cleaned_data.get("page") or 1

    @property
    def narrows(self) -> bool:
        return self.wanted not in (Wanted(), Wanted(explained=True))

    def _asked(self, name: str) -> str:
        return str(self.cleaned_data.get(name) or "")


def _lower(asked: QueryDict) -> QueryDict:
    """Addresses of before had the state in capitals."""
    given = asked.copy()
    if "state" in given:
        given["state"] = str(given["state"]).lower()
    return given
