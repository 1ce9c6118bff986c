"""Celery's entry to the runbooks."""

from celery import shared_task
from django.utils import timezone

import outbound.posting
import proxy.ports
import telemetry.ports
from runbooks import services
from runbooks.services import drilling


@shared_task(name="runbooks.tick")
def tick() -> None:
    """One round. For the beat, every 3 seconds."""
    services.tick(
        metrics=telemetry.ports.from_settings(), admin=proxy.ports.from_settings(), now=timezone.now()
    )


@shared_task(name="runbooks.call")
def call() -> None:
    """Send what runs have to say to services of others. For the beat, every second."""
    services.send(outbound=outbound.posting.from_settings(), now=timezone.now())


@shared_task(name="runbooks.close_lost_drills")
def close_lost_drills() -> None:
    """A runbook must not stay as a drill that died had set it. For the beat, every 30 seconds."""
    drilling.close_lost(now=timezone.now())
