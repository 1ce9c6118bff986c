"""What Celery does for the tier."""

from celery import shared_task
from django.utils import timezone

import proxy.ports
from proxy import services


@shared_task(name="proxy.readback")
def readback() -> None:
    """Compare what the proxies run with what they should."""
    services.readback(admin=proxy.ports.from_settings(), now=timezone.now())
