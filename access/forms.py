"""Forms of the login and of the account page."""

import hashlib
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.cache import cache
from django.core.exceptions import ValidationError

from access.act import ReasonForm
from access.models import ApiToken

WRONG_LOGINS = 10
WAIT_SECONDS = 300


class LoginForm(AuthenticationForm):
    """Lets nobody guess more than so many passwords of one name from one address in a while.

    Each web process counts for itself. Behind a reverse proxy the address is the proxy's, and there somebody
    who guesses keeps the name's owner out too: so the wait is short.
    """

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError."""
        key = self._key()
        if cache.get(key, 0) >= WRONG_LOGINS:
            raise ValidationError(
                f"Too many wrong passwords. Try again in {WAIT_SECONDS // 60} minutes.", "throttled"
            )
        try:
            cleaned = super().clean()
        except ValidationError:
            cache.add(key, 0, WAIT_SECONDS)
            cache.incr(key)
            raise
        cache.delete(key)
        return cleaned

    def _key(self) -> str:
        address = self.request.META.get("REMOTE_ADDR", "") if self.request is not None else ""
        name = str(self.cleaned_data.get("username", "")).casefold()
        return "wrong-logins:" + hashlib.sha256(f"{address} {name}".encode()).hexdigest()


class AdminLoginForm(LoginForm, AdminAuthenticationForm):
    """The admin site's: for staff only."""


class TokenForm(forms.Form):
    """A new token."""

    name = forms.CharField(max_length=60, help_text="What will use it, such as “deploy pipeline”.")
    only = forms.ChoiceField(
        label="Good for",
        choices=ApiToken.Use.choices,
        required=False,
        help_text="One that lies in another system's configuration is best good for little.",
    )


class SlackLinkForm(ReasonForm):
    """Who in Slack is who here."""

    slack_id = forms.CharField(
        max_length=32, label="Member ID in Slack", help_text="In their profile there: ⋮, “Copy member ID”."
    )
    username = forms.CharField(max_length=150, label="User here")
    field_order = ["slack_id", "username", "reason"]
