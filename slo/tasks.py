"""Ticks of the objectives."""

from celery import shared_task
from django.utils import timezone

from slo import services
from telemetry import ports, rulefiles


@shared_task(name="slo.tick")
def tick() -> None:
    """Every 15 s: burn, budgets, alerts."""
    services.tick(metrics=ports.from_settings(), now=timezone.now())


@shared_task(name="slo.count")
def count() -> None:
    """Every minute: the hour that is over, the present one so far, and what was corrected."""
    services.count(metrics=ports.from_settings(), now=timezone.now())


@shared_task(name="slo.warn")
def warn() -> None:
    """Every minute: whom the budget policy holds hears of it before they meet it."""
    services.warn(now=timezone.now())


@shared_task(name="slo.creep")
def creep() -> None:
    """Every 5 minutes: whether the tiers add more latency than is usual at this hour."""
    services.watch_creep(metrics=ports.from_settings(), now=timezone.now())


@shared_task(name="slo.publish")
def publish() -> None:
    """Every minute: Prometheus runs the rules that the objectives need, where a directory for them is set."""
    files = rulefiles.from_settings()
    if files:
        services.keep_rules(files=files, metrics=ports.from_settings(), now=timezone.now())
