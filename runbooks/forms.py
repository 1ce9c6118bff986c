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


class ExtendForm(ReasonForm):
    """For how long from now the overlays live on."""

    minutes = forms.IntegerField(min_value=1, max_value=7 * 24 * 60)


class TargetForm(forms.Form):
    """What a runbook is started on: empty where it is the tier."""

    tier = forms.CharField(max_length=63)
    subject = forms.CharField(max_length=63, required=False)


class RehearsalForm(forms.Form):
    """How many of the last hours of a tier a runbook is held against."""

    tier = forms.CharField(max_length=63)
    hours = forms.IntegerField(min_value=1, max_value=6)


class StartForm(ReasonForm, TargetForm):
    """A start of exactly the plan that was shown."""

    plan_hash = forms.CharField(max_length=32)


class AnswerForm(ReasonForm):
    """Yes or no to the question of a step."""

    place = forms.IntegerField(min_value=0)
    answer = forms.ChoiceField(choices=[(word, word) for word in ("yes", "no")])


class SettleForm(ReasonForm):
    """What became of a call whose outcome is unknown."""

    place = forms.IntegerField(min_value=0)
    phase = forms.ChoiceField(choices=[(phase, phase) for phase in ("do", "undo")])
    became = forms.ChoiceField(choices=[(word, word) for word in ("happened", "not_happened")])


class SwitchForm(ReasonForm):
    """The kill switch."""

    on = forms.BooleanField(required=False)
