"""What people fill in to leave something out of budgets."""

from datetime import timedelta
from typing import Any

from django import forms

from slo.domain.corrections import Scope
from slo.domain.maintenance import LONGEST, Window
from slo.domain.spans import Span

MOMENT = "%Y-%m-%dT%H:%M"


def _moment(label: str) -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT)
    return forms.DateTimeField(label=f"{label} (UTC)", widget=widget)


class ScopeForm(forms.Form):
    """Whose events, and why."""

    tier = forms.ChoiceField()
    route = forms.CharField(
        required=False, max_length=120, help_text="Only the objectives of this route; else the whole tier."
    )
    objective = forms.CharField(
        required=False,
        max_length=80,
        help_text="Only this objective, by its name; then leave the route empty.",
    )
    reason = forms.CharField(max_length=500, help_text="Kept in the audit, shown beside the figures.")
    field_order = ("tier", "route", "objective", "starts_at", "ends_at", "minutes", "rule", "reason")

    def __init__(self, *args: Any, tiers: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # One declaration, the tiers of the moment: fields are copied per form.
        self.fields["tier"] = forms.ChoiceField(choices=[(name, name) for name in tiers])
        self.order_fields(self.field_order)

    @property
    def scope(self) -> Scope:
        given = self.cleaned_data
        return Scope(given["tier"], given["route"], given["objective"])


class CorrectionForm(ScopeForm):
    """A span that is over."""

    starts_at = _moment("From")
    ends_at = _moment("To")

    @property
    def span(self) -> Span:
        return Span(self.cleaned_data["starts_at"], self.cleaned_data["ends_at"])


class MaintenanceForm(ScopeForm):
    """A window that is to come, once or repeating."""

    starts_at = _moment("From")
    minutes = forms.IntegerField(
        label="Minutes", min_value=1, max_value=LONGEST // timedelta(minutes=1), initial=60
    )
    rule = forms.CharField(
        label="Repeats",
        required=False,
        max_length=200,
        help_text="Empty: once. Else an iCalendar rule, in UTC: FREQ=WEEKLY;BYDAY=SU",
    )

    @property
    def window(self) -> Window:
        given = self.cleaned_data
        return Window(given["starts_at"], timedelta(minutes=given["minutes"]), given["rule"])
