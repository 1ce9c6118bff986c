"""Forms of the account page."""

from django import forms


class TokenForm(forms.Form):
    """A new token."""

    name = forms.CharField(max_length=60, help_text="What will use it, such as “deploy pipeline”.")
