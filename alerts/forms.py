"""What people fill in about incidents."""

from datetime import timedelta

from django import forms

from access.act import ReasonForm
from alerts.domain.silence import LONGEST


class SilenceForm(ReasonForm):
    """For how long, and why."""

    minutes = forms.IntegerField(min_value=1, max_value=LONGEST // timedelta(minutes=1))
