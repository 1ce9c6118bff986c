"""Celery's entry to the dead man's switch."""

from celery import shared_task
from django.utils import timezone

import telemetry.ports
from dashboard import alive
from outbound import posting


@shared_task(name="dashboard.alive")
def look() -> None:
    """Look whether the automation is alive, and ping while it is. For the beat, every 15 s."""
    alive.tick(metrics=telemetry.ports.from_settings(), post=posting.from_settings(), now=timezone.now())
