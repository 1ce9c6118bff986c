"""What Celery does for rollouts."""

from celery import shared_task
from django.utils import timezone

import proxy.ports
import telemetry.ports
from canary import services


@shared_task(name="canary.tick")
def tick() -> None:
    """Take every due rollout further."""
    services.tick(
        metrics=telemetry.ports.from_settings(), admin=proxy.ports.from_settings(), now=timezone.now()
    )


@shared_task(name="canary.prune")
def prune() -> None:
    """Every hour: forget the tick-by-tick evidence of rollouts that ended long ago."""
    services.prune(now=timezone.now())
