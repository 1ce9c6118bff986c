"""Two at once on one incident, on real locks: whoever is second sees what the first has done."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from alerts import alertmanager, explaining, paging, services
from alerts.domain.alertmanager import Notification
from alerts.domain.states import WrongState
from alerts.models import Alert, Episode, Incident, Outbox
from tests.alerts.factories import ANN, NOW, at, brownout, clear, declare, incident, signal, storm
from tests.alerts.test_alertmanager import alert, body
from tests.support.rivals import Rival, two_writers

pytestmark = [two_writers, pytest.mark.django_db(transaction=True)]

SHOP = {"tier": "edge", "route": "shop"}
FILE = """
receivers: {second: {slack: "#on-call"}}
escalation: [{after: 5m, to: second}]
"""


def against(first: Any, second: Any, number: int) -> Exception | None:
    """`first` while it holds the incident, and `second`, which waits for it; what the second ended with."""
    rival = Rival(second)
    with transaction.atomic():
        Incident.objects.select_for_update().get(pk=number)
        rival.start()
        rival.until_it_waits()
        first()
    return rival.ended()


def acknowledge(number: int) -> None:
    services.acknowledge(incident_id=number, by=ANN, reason="mine", now=NOW)


def resolve(number: int) -> None:
    services.resolve(incident_id=number, by=ANN, reason="done", now=NOW)


def texts(starting: str) -> int:
    return Outbox.objects.filter(op="post", payload__text__startswith=starting).count()


def test_an_acknowledgement_that_comes_second_does_not_reopen_what_resolved() -> None:
    number = storm()
    error = against(lambda: resolve(number), lambda: acknowledge(number), number)
    assert isinstance(error, WrongState)
    assert (incident(number).state, incident(number).acked_by) == ("RESOLVED", "")


def test_a_resolution_that_comes_second_ends_what_was_acknowledged() -> None:
    number = storm()
    assert against(lambda: acknowledge(number), lambda: resolve(number), number) is None
    assert incident(number).state == "RESOLVED"


def test_two_signals_at_once_are_one_alert_and_one_message() -> None:
    number = storm(now=NOW - timedelta(hours=2))
    clear("retry-storm", SHOP, now=NOW - timedelta(hours=1))
    rival = Rival(storm)
    with transaction.atomic():
        fresh = storm()
        rival.start()
        rival.until_it_waits()
    assert rival.ended() is None
    assert fresh != number
    assert Alert.objects.filter(state="FIRING").count() == 1
    assert Outbox.objects.filter(kind="FIRING", incident=fresh).count() == 1
    assert Alert.objects.get(state="FIRING").count == 2


def test_a_signal_at_the_end_of_a_silence_is_told_whoever_is_second() -> None:
    number = storm()
    services.silence(incident_id=number, until=at(60), by=ANN, reason="known", now=NOW)

    def burn() -> None:
        signal("slo_burn", "slo_burn", SHOP, now=at(59.99))

    assert against(lambda: services.expire_silences(now=at(60)), burn, number) is None
    services.expire_silences(now=at(60.1))
    # Once when the silence ended, and once for what was held back at its last moment.
    assert texts("Still open") == 2
    assert not incident(number).untold


def test_two_workers_at_the_end_of_a_silence_tell_once() -> None:
    number = storm()
    services.silence(incident_id=number, until=at(60), by=ANN, reason="known", now=NOW)

    def end() -> None:
        services.expire_silences(now=at(60))

    assert against(end, end, number) is None
    assert texts("Still open") == 1


def test_two_signals_that_reopen_count_one_flap() -> None:
    number = storm()
    clear("retry-storm", SHOP, now=at(1))
    assert against(lambda: storm(now=at(2)), lambda: storm(now=at(2)), number) is None
    found = incident(number)
    assert (found.state, found.flaps, found.pages) == ("OPEN", 1, 2)


def test_an_end_against_a_new_signal_leaves_it_open_with_one_flap() -> None:
    number = storm()
    assert against(lambda: clear("retry-storm", SHOP, now=at(1)), lambda: storm(now=at(1)), number) is None
    assert (incident(number).state, incident(number).flaps) == ("OPEN", 1)


def test_a_new_signal_against_an_end_is_over() -> None:
    number = storm()
    assert against(lambda: storm(now=at(1)), lambda: clear("retry-storm", SHOP, now=at(1)), number) is None
    assert (incident(number).state, incident(number).flaps) == ("RESOLVED", 0)


def test_an_acknowledgement_at_the_last_moment_stops_the_call(settings: Any, tmp_path: Path) -> None:
    declare(settings, tmp_path, FILE)
    number = storm()
    assert against(lambda: acknowledge(number), lambda: paging.escalate(now=at(5)), number) is None
    assert not Outbox.objects.filter(kind="ESCALATION").exists()


def test_two_workers_call_once(settings: Any, tmp_path: Path) -> None:
    declare(settings, tmp_path, FILE)
    number = storm()

    def call() -> None:
        paging.escalate(now=at(5))

    assert against(call, call, number) is None
    assert Outbox.objects.filter(kind="ESCALATION").count() == 1


def take(status: str, minutes: float) -> None:
    notification = Notification.model_validate(body(alert(status)))
    alertmanager.receive(notification=notification, by=ANN, now=at(minutes))


@pytest.mark.parametrize(
    ("first", "second"), [("firing", "firing"), ("firing", "resolved"), ("resolved", "firing")]
)
def test_two_deliveries_of_one_alert_take_turns(first: str, second: str) -> None:
    take("firing", 0)
    rival = Rival(lambda: take(second, 5))
    with transaction.atomic():
        Episode.objects.select_for_update().get()
        rival.start()
        rival.until_it_waits()
        take(first, 5)
    assert rival.ended() is None
    over = "resolved" in (first, second)
    assert Incident.objects.get().state == ("RESOLVED" if over else "OPEN")
    assert Incident.objects.get().flaps == 0


def test_two_workers_join_a_consequence_to_its_cause_once() -> None:
    child, _ = storm(), brownout()

    def relate() -> None:
        explaining.relate(now=at(1))

    assert against(relate, relate, child) is None
    assert incident(child).timeline.filter(text__startswith="explained by").count() == 1
