"""Celery's entry to the alerts."""

from celery import shared_task
from django.utils import timezone

from alerts import services, slack


@shared_task(name="alerts.deliver")
def deliver() -> None:
    """Send what is due. For the beat, each second."""
    services.deliver(chat=slack.from_settings(), now=timezone.now())
