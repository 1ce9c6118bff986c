"""What machines ask the web process: does it live, can it work, and its own numbers."""

from collections.abc import Callable, Iterator
from datetime import datetime

import requests
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from kombu import Connection
from kombu.exceptions import KombuError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from alerts import selectors as alerts

PROBE_SECONDS = 1.0


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. It asks nobody else: a database that is away is no reason to restart this."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Each dependency with "ok" or what is wrong; 503 when one is not there.

    An error's own words name hosts and users: only people who are logged in see them.
    """
    known = _is_logged_in(request)
    found = {name: _try(check, known) for name, check in CHECKS.items()}
    ready = all(answer == "ok" for answer in found.values())
    return JsonResponse({"ready": ready, "checks": found}, status=200 if ready else 503)


def _is_logged_in(request: HttpRequest) -> bool:
    try:
        return request.user.is_authenticated
    except DatabaseError:
        return False  # sessions are in the database that is asked about


def _try(check: Callable[[], str], known: bool) -> str:
    try:
        return check()
    except (DatabaseError, KombuError, OSError) as error:
        said = str(error).splitlines()[0] if str(error) else "no reason given"
        return f"{type(error).__name__}: {said}" if known else "does not answer"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _broker() -> str:
    options = {"socket_connect_timeout": PROBE_SECONDS, "socket_timeout": PROBE_SECONDS}
    with Connection(
        settings.CELERY_BROKER_URL, connect_timeout=PROBE_SECONDS, transport_options=options
    ) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=1)
    return "ok"


def _prometheus() -> str:
    # requests' errors are OSErrors.
    answer = requests.get(f"{settings.PROMETHEUS_URL.rstrip('/')}/-/ready", timeout=1)
    return "ok" if answer.ok else f"answers {answer.status_code}"


def _heartbeats() -> str:
    rows = alerts.heartbeats(now=timezone.now())
    late = [row.name for row in rows if row.late]
    if late:
        return f"late: {', '.join(late)}"
    return "ok" if rows else "the automation has not ticked yet"


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "broker": _broker,
    "prometheus": _prometheus,
    "heartbeats": _heartbeats,
}


class Own(Collector):
    """Sluice's own numbers, read from the database when asked, so that every web process says the same."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterator[Metric]:
        outbox = alerts.outbox_state()
        messages = GaugeMetricFamily("sluice_outbox_messages", "Messages not yet sent.", labels=["state"])
        for state in ("pending", "sending", "unknown", "failed"):
            messages.add_metric([state], getattr(outbox, state))
        yield messages
        waits = (self.now - outbox.oldest_pending).total_seconds() if outbox.oldest_pending else 0.0
        yield GaugeMetricFamily("sluice_outbox_oldest_seconds", "Age of the oldest unsent message.", waits)
        ages = GaugeMetricFamily(
            "sluice_heartbeat_age_seconds", "Since a part of the automation ticked.", labels=["part"]
        )
        for beat in alerts.heartbeats(now=self.now):
            ages.add_metric([beat.name], beat.age.total_seconds())
        yield ages
        incidents = GaugeMetricFamily("sluice_incidents_open", "Incidents not resolved.", labels=["tier"])
        tiers = [row.tier for row in alerts.open_incidents()]
        for tier in sorted(set(tiers)):
            incidents.add_metric([tier], tiers.count(tier))
        yield incidents


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Sluice's own numbers for Prometheus. They name tiers and parts, never people or secrets."""
    registry = CollectorRegistry()
    registry.register(Own(timezone.now()))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
