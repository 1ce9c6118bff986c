"""Celery's entry to the alerts."""

from celery import shared_task
from django.utils import timezone

from alerts import services, slack
from outbound import posting


@shared_task(name="alerts.deliver")
def deliver() -> None:
    """Send what is due. For the beat, each second."""
    services.deliver(chat=slack.from_settings(), now=timezone.now())


@shared_task(name="alerts.watch")
def watch() -> None:
    """Join what has one cause, and call the next where nobody acknowledged. For the beat, every 2 s."""
    services.watch(now=timezone.now())


@shared_task(name="alerts.dispatch")
def dispatch() -> None:
    """Send events to the services that are declared. Beside `deliver`: one that hangs holds up no message."""
    services.dispatch(post=posting.from_settings(), now=timezone.now())
