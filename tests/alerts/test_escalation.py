"""Who is called when nobody acknowledges: when, once, and when no longer."""

from pathlib import Path
from typing import Any

import pytest

from alerts import paging, receivers, selectors, services
from alerts.domain.receivers import BadReceivers, read
from alerts.memory import InMemoryChat
from alerts.models import Outbox, TimelineEntry
from tests.alerts.factories import (
    ANN,
    NOW,
    RUNBOOKS,
    at,
    brownout,
    clear,
    declare,
    incident,
    signal,
    storm,
)
from tests.alerts.pressing import buttons, linked, press

pytestmark = pytest.mark.django_db

FILE = """
receivers:
  second: {slack: "#on-call"}
  desk: {webhook: "https://desk.test/sluice?token=hidden", secret: desk}
  pager: {pagerduty: pager}
notify:
  - {to: desk, of: [page, ticket]}
escalation:
  - {after: 5m, to: second}
  - {after: 15m, to: pager}
"""


@pytest.fixture(autouse=True)
def declared(settings: Any, tmp_path: Path) -> None:
    declare(settings, tmp_path, FILE)


def told(who: str = "") -> list[str]:
    """The keys of what was said to receivers, the first one first, without the incident's own."""
    rows = Outbox.objects.filter(key__contains="/page/").order_by("id")
    return [row.key.split("/page/")[1] for row in rows if who in row.key]


def test_nobody_else_is_called_before_their_time() -> None:
    storm()
    assert services.watch(now=at(4.9)) == 0
    assert told() == ["1/desk"]


def test_the_second_channel_is_called_once_however_often_one_looks() -> None:
    number = storm()
    assert [services.watch(now=at(5)), services.watch(now=at(5)), services.watch(now=at(6))] == [1, 0, 0]
    row = Outbox.objects.get(key=f"incident/{number}/page/1/second")
    assert (row.op, row.to, row.kind) == ("post", "#on-call", "ESCALATION")
    assert row.payload["text"].startswith("Nobody acknowledged within 5 min: retry-storm")
    (line,) = TimelineEntry.objects.filter(kind="escalation")
    assert line.text == "told second: nobody acknowledged within 5 min"


def test_the_third_step_comes_at_its_own_time() -> None:
    storm()
    for minute in (5, 14, 15, 16):
        services.watch(now=at(minute))
    assert told() == ["1/desk", "1/second", "1/pager"]


def test_steps_that_were_slept_through_are_called_at_once_and_once() -> None:
    storm()
    assert services.watch(now=at(60)) == 2
    assert services.watch(now=at(61)) == 0


def acknowledge(number: int) -> None:
    services.acknowledge(incident_id=number, by=ANN, reason="mine", now=at(1))


def resolve(number: int) -> None:
    services.resolve(incident_id=number, by=ANN, reason="done", now=at(1))


def mitigate(number: int) -> None:
    services.mitigate(incident_id=number, by=RUNBOOKS, reason="retries off", now=at(1))


def silence(number: int) -> None:
    services.silence(incident_id=number, until=at(60), by=ANN, reason="known", now=at(1))


@pytest.mark.parametrize("stops", [acknowledge, resolve, mitigate, silence])
def test_who_has_it_is_enough(stops: Any) -> None:
    number = storm()
    stops(number)
    assert services.watch(now=at(20)) == 0
    assert told("second") == []
    assert selectors.upcoming(number) == []


def test_what_another_incident_explains_calls_nobody() -> None:
    storm()
    brownout()
    services.watch(now=at(1))
    services.watch(now=at(20))
    assert [key for key in told() if "pager" in key] == ["1/pager"]


def test_a_ticket_calls_nobody_but_is_told_where_that_is_wanted() -> None:
    storm(severity="ticket")
    services.watch(now=at(60))
    assert told() == ["1/desk"]


def test_whoever_was_told_hears_that_somebody_has_it_and_that_it_is_over() -> None:
    number = storm()
    services.watch(now=at(5))
    services.acknowledge(incident_id=number, by=ANN, reason="mine", now=at(6))
    services.resolve(incident_id=number, by=ANN, reason="done", now=at(7))
    follow = ["1/desk/acknowledge", "1/second/acknowledge", "1/desk/resolve", "1/second/resolve"]
    assert told()[2:] == follow


def test_what_comes_back_calls_anew() -> None:
    number = storm()
    services.watch(now=at(5))
    clear("retry-storm", {"tier": "edge", "route": "shop"}, now=at(6))
    storm(now=at(8))
    assert services.watch(now=at(12)) == 0
    assert services.watch(now=at(13)) == 1
    assert told("second") == ["1/second", "1/second/resolve", "2/second"]
    assert incident(number).pages == 2


def test_a_ticket_that_becomes_a_page_calls_whoever_acknowledged_the_ticket() -> None:
    number = storm(severity="ticket")
    services.acknowledge(incident_id=number, by=ANN, reason="later", now=at(1))
    signal("slo_burn", "slo_burn", {"tier": "edge", "route": "shop"}, now=at(2))
    assert (incident(number).state, incident(number).acked_by) == ("OPEN", "")
    assert services.watch(now=at(7)) == 1


def test_after_a_silence_it_is_called_for_anew() -> None:
    number = storm()
    services.silence(incident_id=number, until=at(60), by=ANN, reason="known", now=at(1))
    services.watch(now=at(30))
    services.expire_silences(now=at(60))
    assert services.watch(now=at(64)) == 0
    assert services.watch(now=at(65)) == 1
    assert told() == ["1/desk", "2/desk", "2/second"]


def test_the_page_says_who_is_called_next_and_when() -> None:
    number = storm()
    services.watch(now=at(5))
    (left,) = selectors.upcoming(number)
    assert (left.to, left.where, left.at) == ("pager", "https://events.pagerduty.com/v2/enqueue", at(15))


def test_a_worker_that_dies_after_it_called_calls_nobody_twice() -> None:
    number = storm()
    row = incident(number)
    services.watch(now=at(5))
    # As if the transaction's mark of the next step were lost, which the row's key makes up for.
    row.escalates_at = at(5)
    row.save(update_fields=["escalates_at"])
    assert paging.escalate(now=at(5)) == 0
    assert told("second") == ["1/second"]


def test_a_file_that_cannot_be_read_calls_nobody_and_says_so(settings: Any, tmp_path: Path) -> None:
    declare(settings, tmp_path, "escalation: [{after: 5m, to: nobody}]")
    storm()
    services.watch(now=at(60))
    assert told() == []
    assert "escalation.0.to: there is no receiver nobody" in receivers.declared().problem


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("- a", ""),
        ("receivers: {a: {}}", "receivers.a"),
        ("receivers: {a: {slack: general}}", "receivers.a.slack"),
        ("receivers: {a: {webhook: ftp://x, secret: b}}", "receivers.a.webhook"),
        ("receivers: {a: {webhook: https://x.test}}", "receivers.a.secret"),
        ("receivers: {a: {pagerduty: b, key: c}}", "receivers.a.key"),
        ("receivers: {A b: {slack: '#x'}}", "receivers.A b"),
        ("receivers: {a: {slack: '#x'}}\nescalation: [{after: soon, to: a}]", "escalation.0.after"),
        ("receivers: {a: {slack: '#x'}}\nescalation: [{after: 25h, to: a}]", "escalation.0.after"),
        ("receivers: {a: {slack: '#x'}}\nnotify: [{to: b}]", "notify.0.to"),
        ("receivers: {a: {slack: '#x'}}\nnotify: [{to: a, of: [all]}]", "notify.0.of.0"),
        (
            "receivers: {a: {slack: '#x'}}\nescalation: [{after: 5m, to: a}, {after: 6m, to: a}]",
            "escalation.1.to",
        ),
        (
            "receivers: {a: {slack: '#x'}, b: {slack: '#y'}}\n"
            "escalation: [{after: 5m, to: a}, {after: 1m, to: b}]",
            "escalation",
        ),
        ("other: 1", "other"),
    ],
)
def test_what_cannot_be_names_its_place(text: str, path: str) -> None:
    with pytest.raises(BadReceivers) as caught:
        read(text)
    assert [where for where, _ in caught.value.errors] == [path]


def test_the_time_is_that_of_the_page_and_not_of_the_look() -> None:
    number = storm(now=NOW)
    assert incident(number).escalates_at == at(5)


def test_the_call_in_the_second_channel_is_acknowledged_where_it_is_read() -> None:
    number = storm()
    services.watch(now=at(5))
    chat = InMemoryChat()
    services.deliver(chat=chat, now=at(5))
    linked()
    call = Outbox.objects.get(key=f"incident/{number}/page/1/second")
    assert buttons(call) == ["incident.acknowledge", "incident.silence"]

    assert press("incident.acknowledge", now=at(6)).done
    for minute in (6, 7):
        services.deliver(chat=chat, now=at(minute))
    (shown,) = [m for m in chat.messages if m.key == call.key]
    assert shown.blocks[-1]["elements"][0]["text"].endswith("acknowledged by ann at 03:06:00 UTC")
