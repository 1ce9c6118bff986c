"""People and the automation at once on one incident: both end, in one order of locks."""

from datetime import UTC, datetime

import pytest
from django.db import transaction

from alerts import services
from alerts.models import Incident
from audit.domain.actor import Actor, automation
from tests.support.rivals import Rival, two_writers

pytestmark = [two_writers, pytest.mark.django_db(transaction=True)]

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
ANN = Actor("ann", "web")


def fire(action: str = "") -> int:
    return services.signal(
        rule="retry-storm",
        labels={"tier": "edge", "route": "shop"},
        severity="page",
        originator="backend",
        summary="shop retries",
        numbers={},
        action=action,
        runbook="retry-storm",
        cause="retry_storm",
        by=automation("runbooks"),
        now=NOW,
    )


def test_a_person_resolves_while_it_is_signalled_again() -> None:
    number = fire()
    rival = Rival(lambda: fire("Run 1 acts"))
    with transaction.atomic():
        Incident.objects.select_for_update().get(pk=number)
        rival.start()
        rival.until_it_waits()
        services.resolve(incident_id=number, by=ANN, reason="drained", now=NOW)
    assert rival.ended() is None
    assert Incident.objects.get().flaps == 1


def test_two_workers_open_one_incident() -> None:
    rival = Rival(fire)
    with transaction.atomic():
        number = fire()
        rival.start()
        rival.until_it_waits()
    assert rival.ended() is None
    assert Incident.objects.get().pk == number
