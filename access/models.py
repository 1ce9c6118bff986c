"""API tokens and people of Slack. Each acts for its user, with the role that the user has at that moment."""

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """One token; only its digest is kept, so nobody can read it back."""

    class Use(models.TextChoices):
        """What a token may be used for, within the role of its user."""

        EVERYTHING = "", "everything that my role may"
        ALERTS = "alerts", "sending alerts, and nothing else"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=16)
    only = models.CharField(max_length=16, choices=Use, blank=True, default=Use.EVERYTHING)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class SlackUser(models.Model):
    """Who somebody in Slack is here. A user may have several: one a workspace."""

    slack_id = models.CharField(max_length=32, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="slack_users")
    linked_at = models.DateTimeField()
    linked_by = models.CharField(max_length=150)

    class Meta:
        ordering = ("user__username", "slack_id")

    def __str__(self) -> str:
        return f"{self.slack_id} is {self.user}"
