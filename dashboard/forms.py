"""What people fill in on the dashboard's pages."""

from typing import Any

from django import forms


class FaultForm(forms.Form):
    """A fault of the lab; what is not given is healthy."""

    backend = forms.CharField(max_length=63)
    error_rate = forms.FloatField(min_value=0, max_value=1, required=False)
    latency_ms = forms.FloatField(min_value=0, max_value=60_000, required=False)
    refuse = forms.BooleanField(required=False)
    first_attempt_only = forms.BooleanField(required=False)
    reset = forms.BooleanField(required=False)

    def fault(self) -> dict[str, Any]:
        """The fault as the lab's API takes it."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, False, "")}


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
