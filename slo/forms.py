"""What people narrow the list of objectives by, as it stands in the page's address."""

from dataclasses import fields
from typing import Any

from django import forms
from django.http import QueryDict

from slo.domain.wanted import Choices, Wanted
from slo.models import Budget, Objective

SORTS = (("left", "least left"), ("burn", "burn"), ("name", "name"))


class ObjectivesForm(forms.Form):
    """Narrows and sorts. A name that does not exist narrows to nothing; a state or an order that does not
    exist is as if it were not there.
    """

    text = forms.CharField(
        label="Search",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "name, route, owner …"}),
    )
    tier = forms.CharField(required=False, widget=forms.Select)
    kind = forms.CharField(required=False, widget=forms.Select)
    state = forms.ChoiceField(required=False, choices=[("", "every state"), *Budget.State.choices])
    severity = forms.ChoiceField(
        label="Tells by", required=False, choices=[("", "either"), *Objective.Severity.choices]
    )
    owner = forms.CharField(required=False, widget=forms.Select)
    sort = forms.ChoiceField(label="Sort by", required=False, choices=SORTS)
    route = forms.CharField(required=False, widget=forms.HiddenInput)
    upstream = forms.CharField(required=False, widget=forms.HiddenInput)
    sli = forms.CharField(required=False, widget=forms.HiddenInput)
    page = forms.IntegerField(required=False, min_value=1, max_value=10_000, widget=forms.HiddenInput)

    def __init__(self, asked: QueryDict, choices: Choices) -> None:
        super().__init__(asked)
        self.full_clean()
        self._offer("tier", "every tier", [(name, name) for name in choices.tiers])
        self._offer("kind", "every kind", choices.kinds)
        self._offer("owner", "everybody", [(name, name) for name in choices.owners])

    def _offer(self, name: str, every: str, choices: Any) -> None:
        """What is asked for stays chosen, though it is not there."""
        asked = self.cleaned_data.get(name, "")
        known = [("", every), *choices]
        missing = [] if asked in dict(known) else [(asked, asked)]
        widget = self.fields[name].widget
        if isinstance(widget, forms.Select):
            widget.choices = [*known, *missing]

    @property
    def page_number(self) -> int:
        """The page that is asked for, from 1."""
        return self.cleaned_data.get("page") or 1

    @property
    def wanted(self) -> Wanted:
        """What the list is narrowed and sorted by."""
        names = {field.name for field in fields(Wanted)}
        given = {name: value for name, value in self.cleaned_data.items() if name in names and value}
        return Wanted(**given)

    @property
    def only(self) -> dict[str, str]:
        """What narrows the list and has no field to see: the links of alerts name it."""
        hidden = ("route", "upstream", "sli")
        return {name: self.cleaned_data[name] for name in hidden if self.cleaned_data.get(name)}

    @property
    def narrows(self) -> bool:
        """Whether anything but the order was asked for."""
        return any(value for name, value in self.cleaned_data.items() if name not in ("sort", "page"))
