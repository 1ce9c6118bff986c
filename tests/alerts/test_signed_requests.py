"""Presses as signed requests: what is taken, what is refused, and that nothing is taken twice."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

import audit.selectors
from alerts import selectors, services
from alerts.models import Outbox, SeenRequest
from audit.domain.actor import automation
from lab.presses import signed
from tests.alerts.pressing import SECRET, body_of, linked, payload, post

pytestmark = pytest.mark.django_db
ACKNOWLEDGE = "incident.acknowledge"


@pytest.fixture(autouse=True)
def incident(settings: Any) -> int:
    """An open incident that a linked operator was told of."""
    settings.SLACK_SIGNING_SECRET = SECRET
    linked()
    return services.signal(
        rule="canary-failed",
        labels={"tier": "edge", "route": "shop"},
        severity="page",
        originator="backend",
        summary="shop-v2 fails",
        numbers={},
        action="",
        runbook="canary-rolled-back",
        cause="canary",
        by=automation("judge"),
        now=timezone.now(),
    )


def state(number: int) -> str:
    row = selectors.incident(number)
    assert row is not None
    return row.state


def whispers() -> list[str]:
    return [row.payload["text"] for row in Outbox.objects.filter(op="whisper")]


def test_a_signed_press_is_done_once_and_recorded_as_slacks(client: Client, incident: int) -> None:
    assert post(client, body_of(payload(ACKNOWLEDGE)), at=timezone.now()) == (200, "")

    assert state(incident) == "ACKED"
    (entry,) = audit.selectors.entries(action="incident.acked")
    assert (entry.actor, entry.source) == ("ann", "slack")
    assert whispers() == [f"Incident {incident} is acknowledged: you have it. Runbooks and alerts go on."]


def test_the_pressed_message_is_updated_in_place(client: Client, incident: int) -> None:
    post(client, body_of(payload(ACKNOWLEDGE)), at=timezone.now())

    update = Outbox.objects.get(op="update")
    assert update.payload["text"].startswith("Acked: shop-v2 fails")
    assert ACKNOWLEDGE not in json.dumps(update.payload)


@pytest.mark.parametrize("off", [-299, 0, 299])
def test_clocks_may_differ_by_five_minutes(client: Client, incident: int, off: int) -> None:
    at = timezone.now() + timedelta(seconds=off)
    assert post(client, body_of(payload(ACKNOWLEDGE)), at=at)[0] == 200


@pytest.mark.parametrize("off", [-302, 302, -86_400])
def test_by_more_they_may_not(client: Client, incident: int, off: int) -> None:
    at = timezone.now() + timedelta(seconds=off)
    assert post(client, body_of(payload(ACKNOWLEDGE)), at=at)[0] == 401
    assert state(incident) == "OPEN"


MALFORMED: dict[str, dict[str, str]] = {
    "no number": {"x-slack-request-timestamp": "soon"},
    "an infinite number": {"x-slack-request-timestamp": "inf"},
    "no timestamp": {"x-slack-request-timestamp": ""},
    "no signature": {"x-slack-signature": ""},
    "of another version": {"x-slack-signature": "v1=00"},
    "not ASCII": {"x-slack-signature": "v0=\xe9"},
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_signature_is_refused(client: Client, incident: int, what: str) -> None:
    answer = post(client, body_of(payload(ACKNOWLEDGE)), at=timezone.now(), **MALFORMED[what])
    assert answer[0] == 401
    assert state(incident) == "OPEN"


def test_another_secret_signs_nothing(client: Client, incident: int) -> None:
    assert post(client, body_of(payload(ACKNOWLEDGE)), at=timezone.now(), secret="leaked")[0] == 401
    assert state(incident) == "OPEN"


def test_no_signature_at_all_is_refused(client: Client, incident: int) -> None:
    answer = client.post("/slack/interactions", {"payload": json.dumps(payload(ACKNOWLEDGE))})
    assert answer.status_code == 401
    assert state(incident) == "OPEN"


def test_the_signature_is_over_the_bytes_as_they_came(client: Client, incident: int) -> None:
    body, now = body_of(payload(ACKNOWLEDGE)), timezone.now()
    headers = signed(SECRET, body, at=now.timestamp())
    content = headers.pop("content-type")
    answer = client.post("/slack/interactions", data=body + b"&", content_type=content, headers=headers)
    assert answer.status_code == 401


def test_bytes_that_are_no_text_are_refused(client: Client) -> None:
    assert post(client, b"payload=\xff\xfe", at=timezone.now())[0] == 401


def test_a_replayed_request_is_refused_and_does_nothing(client: Client, incident: int) -> None:
    body, now = body_of(payload(ACKNOWLEDGE)), timezone.now()
    assert post(client, body, at=now)[0] == 200
    assert post(client, body, at=now)[0] == 401

    assert len(audit.selectors.entries(action="incident.acked")) == 1
    assert len(whispers()) == 1


def test_what_was_refused_cannot_be_replayed_when_it_would_be_allowed(client: Client, incident: int) -> None:
    body, now = body_of(payload(ACKNOWLEDGE, slack_id="U2BOB")), timezone.now()
    assert post(client, body, at=now)[0] == 200
    linked(name="bob", slack_id="U2BOB")

    assert post(client, body, at=now)[0] == 401
    assert state(incident) == "OPEN"


def test_seen_requests_are_kept_as_long_as_they_could_be_replayed(client: Client, incident: int) -> None:
    old = timezone.now() - timedelta(minutes=16)
    SeenRequest.objects.create(key="signature/old", at=old)
    SeenRequest.objects.create(key="signature/newer", at=old + timedelta(minutes=5))
    post(client, body_of(payload(ACKNOWLEDGE)), at=timezone.now())

    kept = SeenRequest.objects.order_by("at").values_list("key", flat=True)
    assert [key.partition("=")[0] for key in kept] == ["signature/newer", "signature/v0"]


BROKEN: dict[str, Any] = {
    "a list": [],
    "a number": 7,
    "no actions": {"type": "block_actions", "user": {"id": "U1ANN"}, "actions": []},
    "actions of another kind": {"type": "block_actions", "user": {"id": "U1ANN"}, "actions": {"a": 1}},
    "an action that is none": {"type": "block_actions", "user": {"id": "U1ANN"}, "actions": ["x"]},
    "no user": {"type": "block_actions", "actions": [{"action_id": "a", "value": "b"}]},
    "no value": {"type": "block_actions", "user": {"id": "U1ANN"}, "actions": [{"action_id": "a"}]},
    "a value with a NUL": {
        "type": "block_actions",
        "user": {"id": "U1ANN"},
        "actions": [{"action_id": "a", "value": "b\0"}],
    },
    "an endless value": {
        "type": "block_actions",
        "user": {"id": "U1ANN"},
        "actions": [{"action_id": "a", "value": "b" * 256}],
    },
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_payload_that_is_none_is_told_what_is_wrong_with_it(client: Client, what: str) -> None:
    assert post(client, body_of(BROKEN[what]), at=timezone.now())[0] == 400


@pytest.mark.parametrize("body", [b"", b"payload=", b"payload={", b"other={}", b"payload=" + b"[" * 100_000])
def test_a_body_that_is_no_payload_is_told_so(client: Client, body: bytes) -> None:
    assert post(client, body, at=timezone.now()) == (400, "payload: no form field of JSON")


def test_what_asks_nothing_is_acknowledged(client: Client, incident: int) -> None:
    closed = {"type": "view_closed", "user": {"id": "U1ANN"}}
    assert post(client, body_of(closed), at=timezone.now()) == (200, "")
    assert whispers() == []


def test_without_a_secret_there_is_no_such_address(client: Client, settings: Any) -> None:
    body = body_of(payload(ACKNOWLEDGE))
    settings.SLACK_SIGNING_SECRET = ""
    assert post(client, body, at=timezone.now())[0] == 404


def test_it_is_for_posts_only(client: Client) -> None:
    assert client.get("/slack/interactions").status_code == 405


def test_the_answer_asks_nobody_but_the_database(client: Client, django_assert_max_num_queries: Any) -> None:
    body = body_of(payload(ACKNOWLEDGE))
    Outbox.objects.bulk_create(
        Outbox(
            key=f"old/{n}",
            kind="INFO",
            payload={"text": "", "blocks": []},
            state="SENT",
            next_at=datetime(2026, 1, 1, tzinfo=UTC),
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for n in range(1000)
    )
    with django_assert_max_num_queries(45):
        assert post(client, body, at=timezone.now())[0] == 200
