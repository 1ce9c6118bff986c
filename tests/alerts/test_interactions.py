"""A press, whichever way it came: who may, once, for what the message showed; and what the person is told."""

from datetime import UTC, datetime, timedelta

import pytest

import access.services
import audit.selectors
from access import linking
from access.domain.roles import Role
from alerts import interactions, offering, selectors, services
from alerts.domain.buttons import Button
from alerts.domain.interaction import Interaction, read
from alerts.interactions import Replayed
from alerts.memory import InMemoryChat
from alerts.models import Offer, Outbox
from audit.domain.actor import Actor, automation
from tests.alerts.pressing import BY, buttons, linked, press, shown

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
ACKNOWLEDGE, SILENCE = "incident.acknowledge", "incident.silence"


def fire(route: str = "shop", now: datetime = NOW) -> int:
    return services.signal(
        rule="canary-failed",
        labels={"tier": "edge", "route": route},
        severity="page",
        originator="backend",
        summary=f"{route} fails",
        numbers={},
        action="",
        runbook="canary-rolled-back",
        cause="canary",
        by=automation("judge"),
        now=now,
    )


def state(number: int) -> str:
    row = selectors.incident(number)
    assert row is not None
    return row.state


def test_a_person_who_is_linked_to_nobody_is_told_how_to_be() -> None:
    number = fire()
    outcome = press(ACKNOWLEDGE, now=NOW, slack_id="U9EVE")

    assert not outcome.done
    assert "Slack user U9EVE is linked to nobody here" in outcome.words
    assert "manage.py slack link U9EVE NAME" in outcome.words
    assert state(number) == "OPEN"


@pytest.mark.parametrize(("role", "has"), [(Role.VIEWER, "ann has viewer"), (None, "ann has none")])
def test_a_role_that_is_too_little_is_told_what_it_takes(role: Role | None, has: str) -> None:
    number = fire()
    linked(role)
    outcome = press(ACKNOWLEDGE, now=NOW)

    assert outcome.words == f"Nothing was done: this takes the role operator, and {has}."
    assert state(number) == "OPEN"


def test_the_role_is_the_one_at_the_press_and_not_the_one_at_the_link() -> None:
    number = fire()
    user = linked(Role.OPERATOR)
    access.services.grant(user=user, role=Role.VIEWER, by=BY, reason="left the rota", now=NOW)

    assert not press(ACKNOWLEDGE, now=NOW).done
    assert state(number) == "OPEN"


def test_somebody_who_has_left_presses_nothing() -> None:
    number = fire()
    user = linked()
    user.is_active = False
    user.save()

    assert not press(ACKNOWLEDGE, now=NOW).done
    assert state(number) == "OPEN"


def test_a_link_that_was_ended_presses_nothing() -> None:
    fire()
    linked()
    linking.unlink(slack_id="U1ANN", by=BY, reason="left", now=NOW)

    assert "linked to nobody" in press(ACKNOWLEDGE, now=NOW).words


def test_a_refusal_leaves_the_button_for_others() -> None:
    number = fire()
    press(ACKNOWLEDGE, now=NOW, slack_id="U9EVE")
    linked()

    assert press(ACKNOWLEDGE, now=NOW).done
    assert state(number) == "ACKED"


def test_an_unknown_action_changes_nothing() -> None:
    fire()
    linked()
    outcome = press("incident.delete", now=NOW, nonce=shown(ACKNOWLEDGE)["value"])
    assert outcome.words.startswith("Nothing was done: this Sluice knows no such button")


def test_a_nonce_does_nothing_but_what_it_was_made_for() -> None:
    number = fire()
    linked()
    assert not press(SILENCE, now=NOW, nonce=shown(ACKNOWLEDGE)["value"]).done
    assert not press(ACKNOWLEDGE, now=NOW, nonce="made-up").done
    assert state(number) == "OPEN"
    assert selectors.silences(now=NOW) == []


def test_the_second_press_does_nothing_and_says_who_was_first() -> None:
    fire()
    linked()
    linked(name="bob", slack_id="U2BOB")
    nonce = shown(ACKNOWLEDGE)["value"]

    assert press(ACKNOWLEDGE, now=NOW, nonce=nonce).done
    second = press(ACKNOWLEDGE, now=NOW + timedelta(seconds=1), slack_id="U2BOB", nonce=nonce)
    assert second.words == "Nothing was done: ann pressed this at 03:00:00 UTC."
    assert len(audit.selectors.entries(action="incident.acked")) == 1


def test_a_press_that_the_state_refuses_uses_nothing_up() -> None:
    number = fire()
    linked()
    nonce = shown(ACKNOWLEDGE)["value"]
    services.resolve(incident_id=number, by=Actor("bob", "web"), reason="drained", now=NOW)

    outcome = press(ACKNOWLEDGE, now=NOW, nonce=nonce)
    assert outcome.words == "Nothing was done: cannot acknowledge: it is resolved."
    assert Offer.objects.get(nonce=nonce).pressed_at is None
    assert state(number) == "RESOLVED"


def test_what_expired_does_nothing() -> None:
    fire()
    linked()
    nonce = shown(ACKNOWLEDGE)["value"]
    Offer.objects.filter(nonce=nonce).update(expires_at=NOW + timedelta(seconds=60))

    late = press(ACKNOWLEDGE, now=NOW + timedelta(seconds=60), nonce=nonce)
    assert late.words.startswith("Nothing was done: the time for this is over")
    assert press(ACKNOWLEDGE, now=NOW + timedelta(seconds=59), nonce=nonce).done


def test_a_request_is_taken_once_whatever_it_says() -> None:
    fire()
    linked()
    given = Interaction("U1ANN", ACKNOWLEDGE, shown(ACKNOWLEDGE)["value"], "")
    interactions.receive(given, seen="envelope/1", now=NOW)
    with pytest.raises(Replayed):
        interactions.receive(given, seen="envelope/1", now=NOW)


def test_silence_for_an_hour_is_shown_and_offered_again_when_it_is_over() -> None:
    number = fire()
    linked()
    assert press(SILENCE, now=NOW).words.startswith(f"Nothing more is said of incident {number} until 04:00")

    (silence,) = selectors.silences(now=NOW)
    assert (silence.by, silence.ends_at) == ("ann", NOW + timedelta(hours=1))
    update = Outbox.objects.get(op="update")
    assert buttons(update) == [ACKNOWLEDGE]
    assert "Silenced until 2026-03-01 04:00 UTC by ann." in str(update.payload["blocks"])

    over = NOW + timedelta(minutes=61)
    services.deliver(chat=InMemoryChat(), now=over)
    assert SILENCE in buttons(Outbox.objects.filter(op="update").latest("id"))
    assert press(SILENCE, now=over).done


def test_an_incident_that_opens_again_is_acknowledged_again() -> None:
    number = fire()
    linked()
    press(ACKNOWLEDGE, now=NOW)
    services.resolve(incident_id=number, by=Actor("bob", "web"), reason="drained", now=NOW)
    assert buttons(Outbox.objects.filter(op="update").latest("id")) == []

    fire(now=NOW + timedelta(minutes=1))
    assert buttons(Outbox.objects.filter(op="update").latest("id")) == [ACKNOWLEDGE, SILENCE]
    assert press(ACKNOWLEDGE, now=NOW + timedelta(minutes=2)).done
    assert state(number) == "ACKED"


def test_only_the_first_message_of_an_incident_has_its_buttons() -> None:
    fire()
    services.signal(
        rule="slo-burn",
        labels={"tier": "edge", "route": "shop"},
        severity="page",
        originator="backend",
        summary="the budget burns",
        numbers={},
        action="",
        runbook="slo-burn",
        cause="canary",
        by=automation("slo"),
        now=NOW,
    )
    posts = Outbox.objects.filter(op="post").order_by("id")
    assert [buttons(row) for row in posts] == [[ACKNOWLEDGE, SILENCE], []]


def answered_at(response_url: str, *, api_url: str) -> str:
    pressed = {"action_id": "a", "value": "b"}
    given = {
        "type": "block_actions",
        "user": {"id": "U1"},
        "actions": [pressed],
        "response_url": response_url,
    }
    found = read(given, api_url=api_url)
    assert found is not None
    return found.answer_to


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/x",
        "http://hooks.slack.com/x",
        "https://hooks.slack.com:8443/x",
        "https://[",
        "gopher:x",
    ],
)
def test_words_go_to_slack_or_nowhere(elsewhere: str) -> None:
    assert answered_at(elsewhere, api_url="https://slack.com/api/") == ""


def test_words_go_to_the_relay_that_the_settings_name() -> None:
    there = "http://127.0.0.1:12000/respond/1"
    assert answered_at(there, api_url="http://127.0.0.1:12000/api/") == there


def test_the_word_is_sent_once_and_to_the_one_who_pressed() -> None:
    fire()
    linked()
    press(ACKNOWLEDGE, now=NOW)
    chat = InMemoryChat()
    for second in range(4):
        services.deliver(chat=chat, now=NOW + timedelta(seconds=second))
    ((answer_to, words),) = chat.whispers
    assert answer_to == "https://hooks.slack.com/actions/T0LAB/1/x"
    assert words.endswith("you have it. Runbooks and alerts go on.")


def test_a_word_that_slack_takes_no_longer_is_forgotten() -> None:
    fire()
    linked()
    chat = InMemoryChat()
    services.deliver(chat=chat, now=NOW)
    press(ACKNOWLEDGE, now=NOW)
    chat.mode = "drop"
    for second in (1, 2):
        services.deliver(chat=chat, now=NOW + timedelta(seconds=second))
    assert Outbox.objects.get(op="whisper").state == "UNKNOWN"
    # It is no message that anybody could miss.
    assert selectors.outbox_state().unknown == 0

    services.deliver(chat=InMemoryChat(), now=NOW + timedelta(minutes=30))
    assert not Outbox.objects.filter(op="whisper").exists()


def test_the_same_button_in_two_messages_is_one_offer() -> None:
    wanted = [Button("run.cancel", 1, "Cancel", "7")]
    first, second = (offering.offered(wanted, now=NOW) for _ in range(2))
    assert first == second
    assert Offer.objects.count() == 1


def test_what_was_pressed_is_offered_no_more() -> None:
    wanted = [Button("run.cancel", 1, "Cancel", "7"), Button("run.cancel", 1, "Cancel", "8")]
    first, _ = offering.offered(wanted, now=NOW)
    offering.take(nonce=first["value"], action="run.cancel", by="ann", now=NOW)
    assert len(offering.offered(wanted, now=NOW)) == 1
