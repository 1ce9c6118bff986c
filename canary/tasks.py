"""What Celery does for rollouts."""

from celery import shared_task
from django.utils import timezone

import proxy.ports
import telemetry.ports
from canary import services, webhooks


@shared_task(name="canary.tick")
def tick() -> None:
    """Take every due rollout further."""
    services.tick(
        metrics=telemetry.ports.from_settings(), admin=proxy.ports.from_settings(), now=timezone.now()
    )


@shared_task(name="canary.release")
def release() -> None:
    """Every 2 s: begin the waves that may begin, and take back those that go back."""
    services.tick_releases(now=timezone.now())


@shared_task(name="canary.ask")
def ask() -> None:
    """Ask the hooks that are due. Beside the tick: a slow hook keeps no rollout from rolling back."""
    services.ask(hooks=webhooks.from_settings(), now=timezone.now())


@shared_task(name="canary.measure")
def measure() -> None:
    """Every 10 s: what upstreams serve, and whether it could be taken back from each canary."""
    services.measure(metrics=telemetry.ports.from_settings(), now=timezone.now())


@shared_task(name="canary.capacity")
def capacity() -> None:
    """Every 5 minutes: the highest rates that endpoints were seen to take while their upstreams were well."""
    services.measure_capacity(metrics=telemetry.ports.from_settings(), now=timezone.now())


@shared_task(name="canary.prune")
def prune() -> None:
    """Every hour: forget the tick-by-tick evidence of rollouts that ended long ago."""
    services.prune(now=timezone.now())
