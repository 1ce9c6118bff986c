"""Celery's entry to the runbooks."""

from celery import shared_task
from django.utils import timezone

import proxy.ports
import telemetry.ports
from runbooks import services


@shared_task(name="runbooks.tick")
def tick() -> None:
    """One round. For the beat, every 3 seconds."""
    services.tick(
        metrics=telemetry.ports.from_settings(), admin=proxy.ports.from_settings(), now=timezone.now()
    )
