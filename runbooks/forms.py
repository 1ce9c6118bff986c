"""What people fill in about runs and runbooks."""

from django import forms

from access.act import ReasonForm
from runbooks.domain.gate import MODES


class ApproveForm(ReasonForm):
    """A yes to one exact plan."""

    plan_hash = forms.CharField(max_length=32)


class ModeForm(ReasonForm):
    """How far a runbook may go by itself on a tier."""

    tier = forms.CharField(max_length=63)
    mode = forms.ChoiceField(choices=[(mode, mode) for mode in MODES])


class SwitchForm(ReasonForm):
    """The kill switch."""

    on = forms.BooleanField(required=False)
