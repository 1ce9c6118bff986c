"""What Celery does for the tier."""

from functools import partial
from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.utils import timezone

import proxy.ports
from proxy import materials, services
from proxy.ads.addresses import parse


@shared_task(name="proxy.readback")
def readback() -> None:
    """Compare what the proxies run with what they should."""
    admin, now = proxy.ports.from_settings(), timezone.now()
    services.settle_drains(admin=admin, now=now)
    meeting = services.Meeting(parse(",".join(settings.ADS_ADDRESSES)), plaintext=settings.ADS_PLAINTEXT)
    serials = partial(materials.serials, Path(settings.VAR) / "pki", now=now)
    services.readback(admin=admin, now=now, meeting=meeting, serials=serials)
    services.tell_bases(now=now)


@shared_task(name="proxy.watch")
def watch() -> None:
    """Read what the proxies of observed tiers are configured with."""
    services.watch(admin=proxy.ports.from_settings(), now=timezone.now())


@shared_task(name="proxy.expire")
def expire() -> None:
    """Delete the overlays that have run out. The ADS server does it too; with it dead, this still does."""
    services.expire(now=timezone.now())
    services.audit_registrations(now=timezone.now())
