"""Events for services of others, over real sockets: signed, at least once, in order, bounded, visible."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alerts import outgoing, services
from alerts.models import Outbox
from lab.hooks import genuine
from lab.http import Request, Response
from tests.alerts.factories import ANN, NOW, SECRET, at, declare, sender, storm
from tests.support.serving import serving

pytestmark = pytest.mark.django_db


@dataclass
class Desk:
    """Somebody's service. `statuses` are its next answers, then 202; a status of 0 cuts the connection."""

    statuses: list[int] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)

    async def answer(self, request: Request) -> Response | None:
        self.seen.append(request)
        status = self.statuses.pop(0) if self.statuses else 202
        return Response(status) if status else None

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(each.body) for each in self.seen]


@pytest.fixture
def desk(settings: Any, tmp_path: Path) -> Iterator[Desk]:
    found = Desk()
    with serving(found.answer) as port:
        text = f"""
receivers:
  desk: {{webhook: "http://desk.test:{port}/hook", secret: desk}}
  pager: {{pagerduty: pager, url: "http://pager.test:{port}/v2/enqueue"}}
notify: [{{to: desk}}, {{to: pager}}]
"""
        declare(settings, tmp_path, text)
        yield found


@pytest.fixture
def only_desk(desk: Desk, settings: Any) -> Desk:
    path = Path(settings.NOTIFY_FILE)
    path.write_text(path.read_text().replace(", {to: pager}", "").replace("notify", "\nnotify"))
    return desk


def deliver(minutes: float = 0, **over: Any) -> int:
    return services.dispatch(post=sender(**over), now=at(minutes))


def row(name: str = "desk") -> Outbox:
    return Outbox.objects.get(op="event", key__endswith=f"/{name}")


def test_an_event_arrives_signed_with_its_key(only_desk: Desk) -> None:
    number = storm()
    assert deliver() == 1
    (request,) = only_desk.seen
    key = f"incident/{number}/page/1/desk"
    assert genuine(SECRET, request, now=NOW.timestamp())
    assert not genuine("another secret", request, now=NOW.timestamp())
    assert (request.headers["idempotency-key"], request.headers["sluice-event"]) == (key, "incident.trigger")
    body = only_desk.bodies[0]
    assert (body["event"], body["key"], body["incident"]["id"]) == ("incident.trigger", key, number)
    assert body["incident"]["target"] == "edge/route/shop"
    assert (row().state, deliver(1)) == ("SENT", 0)


@pytest.mark.parametrize("status", [0, 500, 503, 429, 408])
def test_what_may_be_taken_later_is_sent_again_with_the_same_key(only_desk: Desk, status: int) -> None:
    only_desk.statuses = [status]
    storm()
    assert deliver() == 0
    assert (row().state, row().attempts) == ("PENDING", 1)
    assert deliver(1) == 1
    first, second = (request.headers["idempotency-key"] for request in only_desk.seen)
    assert first == second
    assert row().state == "SENT"


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_what_is_refused_has_failed_until_a_person_sends_it_again(only_desk: Desk, status: int) -> None:
    only_desk.statuses = [status]
    storm()
    deliver()
    assert (row().state, row().error.startswith(f"HTTP {status}")) == ("FAILED", True)
    assert deliver(60) == 0
    services.resend(outbox_id=row().pk, by=ANN, reason="mended", now=at(61))
    assert deliver(61) == 1


def test_tries_are_bounded_and_the_end_is_visible(only_desk: Desk) -> None:
    only_desk.statuses = [500] * 50
    storm()
    for minute in (0, 1, 100, 359, 361, 400, 500):
        deliver(minute)
    assert row().state == "FAILED"
    assert row().error == "given up after 5 attempts: HTTP 500"
    assert len(only_desk.seen) == 5


def test_what_ends_never_arrives_before_what_began(only_desk: Desk) -> None:
    only_desk.statuses = [500]
    number = storm()
    deliver()
    services.resolve(incident_id=number, by=ANN, reason="done", now=at(0.01))
    assert deliver(0.02) == 0
    assert [deliver(1), deliver(1)] == [1, 1]
    assert [body["event"] for body in only_desk.bodies][1:] == ["incident.trigger", "incident.resolve"]


def test_a_worker_that_died_while_sending_has_it_sent_again(only_desk: Desk) -> None:
    storm()
    assert outgoing._claim(row(), NOW)
    assert deliver(0.5) == 0
    assert deliver(1) == 1
    assert len(only_desk.seen) == 1


def test_two_workers_at_once_send_one_event(only_desk: Desk) -> None:
    storm()
    due = row()
    assert outgoing._claim(due, NOW)
    assert not outgoing._claim(row(), NOW)


def test_a_receiver_that_is_away_holds_up_no_other(desk: Desk) -> None:
    desk.statuses = [500]
    storm()
    assert deliver() == 1
    assert {row("desk").state, row("pager").state} == {"PENDING", "SENT"}


def test_pagerduty_gets_trigger_acknowledge_and_resolve_under_one_key(desk: Desk) -> None:
    number = storm()
    services.acknowledge(incident_id=number, by=ANN, reason="mine", now=at(1))
    services.resolve(incident_id=number, by=ANN, reason="done", now=at(2))
    for _ in range(3):
        deliver(3)
    events = [json.loads(each.body) for each in desk.seen if each.path == "/v2/enqueue"]
    assert [event["event_action"] for event in events] == ["trigger", "acknowledge", "resolve"]
    assert len({event["dedup_key"] for event in events}) == 1
    assert {event["routing_key"] for event in events} == {SECRET}
    payload = events[0]["payload"]
    assert (payload["severity"], payload["source"], payload["class"]) == (
        "critical",
        "edge/route/shop",
        "retry_storm",
    )


def test_what_calls_again_is_another_incident_for_pagerduty(desk: Desk) -> None:
    number = storm()
    services.resolve(incident_id=number, by=ANN, reason="done", now=at(1))
    storm(now=at(2))
    for _ in range(3):
        deliver(3)
    keys = [json.loads(each.body)["dedup_key"] for each in desk.seen if each.path == "/v2/enqueue"]
    assert (len(keys), len(set(keys))) == (3, 2)


def test_no_secret_stands_in_the_database_or_in_an_error(desk: Desk) -> None:
    desk.statuses = [400, 400]
    storm()
    deliver()
    rows = list(Outbox.objects.values())
    assert SECRET not in str(rows)


def test_a_secret_that_is_missing_is_told_and_tried_again(only_desk: Desk) -> None:
    storm()
    assert deliver(names=()) == 0
    assert "SLUICE_HOOK_SECRET_DESK" in row().error
    assert deliver(1) == 1


def test_an_event_for_somebody_who_is_no_longer_declared_waits_and_says_so(
    only_desk: Desk, settings: Any
) -> None:
    storm()
    settings.NOTIFY_FILE = ""
    assert deliver() == 0
    assert row().error == "no receiver desk is declared"
