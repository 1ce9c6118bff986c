"""The outbox: at most one post per key, and every outcome visible."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import audit.selectors
from alerts import outbox, selectors, sending, services
from alerts.domain.chat import Blocks, Posted
from alerts.domain.states import WrongState
from alerts.memory import InMemoryChat
from alerts.models import ChannelHold, Outbox
from alerts.slack import NoChat
from audit.domain.actor import Actor, automation

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
ANN = Actor("ann", "web")
LABELS = {"tier": "edge", "route": "shop"}


def tell(key: str = "k") -> Outbox:
    services.tell(key=key, kind="INFO", incident_id=None, heading=f"hello {key}", now=NOW)
    return Outbox.objects.get(key=key)


def fire(rule: str = "canary-failed", **labels: str) -> int:
    return services.signal(
        rule=rule,
        labels=LABELS | labels,
        severity="page",
        originator="backend",
        summary=rule,
        numbers={},
        action="",
        runbook="canary-rolled-back",
        cause="canary",
        by=automation("judge"),
        now=NOW,
    )


def deliver(chat: Any, seconds: float = 0) -> int:
    return services.deliver(chat=chat, now=NOW + timedelta(seconds=seconds))


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


class KillingChat(InMemoryChat):
    """Its worker dies while it posts: before the message is there, or after."""

    def __init__(self, *, after: bool) -> None:
        super().__init__()
        self.after = after

    def post(
        self,
        *,
        key: str,
        text: str,
        blocks: Blocks,
        thread_ts: str = "",
        broadcast: bool = False,
        channel: str = "",
    ) -> Posted:
        if self.after:
            super().post(key=key, text=text, blocks=blocks, thread_ts=thread_ts)
        raise Killed


class OverlappingChat(InMemoryChat):
    """While it posts, another worker delivers, too."""

    def post(
        self,
        *,
        key: str,
        text: str,
        blocks: Blocks,
        thread_ts: str = "",
        broadcast: bool = False,
        channel: str = "",
    ) -> Posted:
        assert deliver(InMemoryChat(messages=self.messages)) == 0
        return super().post(key=key, text=text, blocks=blocks, thread_ts=thread_ts)


def test_two_workers_at_once_send_one_message() -> None:
    chat = OverlappingChat()
    tell()
    assert deliver(chat) == 1
    assert len(chat.messages) == 1


def test_a_message_is_sent_once_however_often_we_deliver() -> None:
    chat = InMemoryChat()
    tell()
    assert [deliver(chat), deliver(chat), deliver(chat, 60)] == [1, 0, 0]
    assert [m.text for m in chat.messages] == ["hello k"]
    row = selectors.message("k")
    assert row is not None
    assert (row.state, row.ts) == ("SENT", chat.messages[0].ts)


def test_a_rate_limit_waits_as_long_as_it_was_told() -> None:
    chat = InMemoryChat(mode="429")
    row = tell()
    deliver(chat)
    row.refresh_from_db()
    assert (row.state, row.next_at) == ("PENDING", NOW + timedelta(seconds=7))
    chat.mode = "ok"
    assert [deliver(chat, 6), deliver(chat, 7)] == [0, 1]


def test_a_refused_connection_is_tried_again() -> None:
    chat = InMemoryChat(mode="down")
    tell()
    deliver(chat)
    chat.mode = "ok"
    assert deliver(chat, 120) == 1


def test_the_batch_stops_at_the_first_failure() -> None:
    chat = InMemoryChat(mode="429")
    tell("a")
    tell("b")
    deliver(chat)
    assert chat.calls == 1


def test_a_dropped_answer_is_unknown_and_not_resent_by_itself() -> None:
    chat = InMemoryChat(mode="drop", history=False)
    tell()
    deliver(chat)
    chat.mode = "ok"
    assert [deliver(chat, s) for s in (10, 100, 10_000)] == [0, 0, 0]
    assert len(chat.messages) == 1
    assert selectors.outbox_state().unknown == 1


def test_a_dropped_answer_is_settled_by_the_channels_history() -> None:
    chat = InMemoryChat(mode="drop")
    row = tell()
    deliver(chat)
    chat.mode = "ok"
    deliver(chat, 10)
    row.refresh_from_db()
    assert (row.state, row.ts) == ("SENT", chat.messages[0].ts)
    assert len(chat.messages) == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_killed_while_sending_leaves_one_message_in_the_end(after: bool) -> None:
    chat = KillingChat(after=after)
    row = tell()
    with pytest.raises(Killed):
        deliver(chat)
    row.refresh_from_db()
    assert row.state == "SENDING"
    second = InMemoryChat(messages=chat.messages)
    deliver(second, 10)
    assert len(second.messages) == int(after)
    deliver(second, 46)
    deliver(second, 76)
    deliver(second, 77)
    row.refresh_from_db()
    assert row.state == "SENT"
    assert len(second.messages) == 1


def test_a_worker_that_stalled_past_its_claim_sends_nothing_when_it_wakes() -> None:
    chat = InMemoryChat()
    row = tell()
    assert sending._claim(row, NOW)
    deliver(chat, 46)
    deliver(chat, 76)
    deliver(chat, 77)
    assert sending._attempt(chat, row, None, NOW) == "failed"
    row.refresh_from_db()
    assert (row.state, len(chat.messages)) == ("SENT", 1)


def test_a_post_that_began_under_a_live_claim_may_end_before_it_is_looked_for() -> None:
    chat = InMemoryChat()
    row = tell()
    assert sending._claim(row, NOW)
    deliver(chat, 46)
    deliver(chat, 60)
    chat.post(key="k", text="hello k", blocks=[])
    deliver(chat, 76)
    row.refresh_from_db()
    assert (row.state, len(chat.messages)) == ("SENT", 1)


def test_a_worker_killed_while_sending_is_visible_where_nothing_can_be_proved() -> None:
    row = tell()
    with pytest.raises(Killed):
        deliver(KillingChat(after=True))
    blind = InMemoryChat(history=False)
    assert [deliver(blind, 46), deliver(blind, 1000)] == [0, 0]
    row.refresh_from_db()
    assert (row.state, row.error) == ("UNKNOWN", "the worker died while sending")
    assert blind.messages == []


def test_a_person_sends_an_unknown_message_again() -> None:
    chat = InMemoryChat(mode="drop", history=False)
    row = tell()
    deliver(chat)
    outbox.resend(outbox_id=row.pk, by=ANN, reason="not in the channel", now=NOW)
    chat.mode = "ok"
    assert deliver(chat, 1) == 1
    assert audit.selectors.entries(action="message.resent")[0].actor == "ann"
    with pytest.raises(WrongState):
        outbox.resend(outbox_id=row.pk, by=ANN, reason="again", now=NOW)


def test_a_refused_message_has_failed_visibly() -> None:
    tell()
    deliver(InMemoryChat(mode="refused"))
    state = selectors.outbox_state()
    assert (state.failed, state.last_error) == (1, "channel_not_found")


def test_without_a_chat_messages_wait_where_people_see_them() -> None:
    tell()
    deliver(NoChat())
    state = selectors.outbox_state()
    assert (state.pending, state.last_error) == (1, "Slack is not configured")
    assert deliver(InMemoryChat(), 30) == 1


def test_an_incident_has_one_root_message_and_the_rest_in_its_thread() -> None:
    chat = InMemoryChat()
    fire()
    fire("retry-storm")
    deliver(chat)
    deliver(chat)
    assert [m.thread_ts for m in chat.messages] == ["", chat.messages[0].ts]


def test_replies_that_wait_for_their_root_hold_nobody_else_up() -> None:
    chat = InMemoryChat(mode="down")
    number = fire()
    deliver(chat)
    for line in range(2 * sending.BATCH):
        services.tell(key=f"line {line}", kind="INFO", incident_id=number, heading="line", now=NOW)
    chat.mode = "ok"
    fire(route="payments")
    assert deliver(chat, 1) == 1
    assert chat.messages[0].key == Outbox.objects.filter(kind="FIRING").latest("id").key


def test_a_reply_waits_for_its_root() -> None:
    chat = InMemoryChat(mode="429")
    fire()
    deliver(chat)
    fire("retry-storm")
    chat.mode = "ok"
    assert deliver(chat, 1) == 0
    assert chat.messages == []


def test_the_root_message_shows_the_incidents_present_state() -> None:
    chat = InMemoryChat()
    number = fire()
    deliver(chat)
    services.acknowledge(incident_id=number, by=ANN, reason="", now=NOW)
    services.resolve(incident_id=number, by=ANN, reason="drained", now=NOW)
    deliver(chat)
    root, reply = chat.messages
    assert root.text.startswith("Resolved: canary-failed")
    assert (root.edits, reply.text.startswith("Resolved")) == (1, True)


def test_what_comes_back_is_shown_in_the_channel_and_in_the_root() -> None:
    chat = InMemoryChat()
    number = fire()
    services.resolve(incident_id=number, by=ANN, reason="drained", now=NOW)
    assert fire() == number
    for second in range(3):
        deliver(chat, second)
    root, *replies = chat.messages
    assert root.text.startswith("canary-failed")
    assert [(m.thread_ts, m.broadcast) for m in replies] == [(root.ts, False), (root.ts, True)]


def test_an_update_whose_outcome_is_unknown_is_repeated() -> None:
    chat = InMemoryChat()
    number = fire()
    deliver(chat)
    services.acknowledge(incident_id=number, by=ANN, reason="", now=NOW)
    chat.mode = "drop"
    deliver(chat, 1)
    chat.mode = "ok"
    deliver(chat, 60)
    assert chat.messages[0].edits == 2
    assert selectors.outbox_state().unknown == 0


@given(modes=st.lists(st.sampled_from(["ok", "429", "500", "drop", "refused", "down"]), max_size=8))
@settings(max_examples=25, deadline=None)
def test_whatever_fails_a_key_is_posted_at_most_once_and_ends_visibly(modes: list[Any]) -> None:
    Outbox.objects.all().delete()
    ChannelHold.objects.all().delete()
    chat = InMemoryChat()
    tell("a")
    tell("b")
    for second, mode in enumerate([*modes, "ok", "ok"]):
        chat.mode = mode
        deliver(chat, second * 200)
    keys = [m.key for m in chat.messages]
    assert len(keys) == len(set(keys))
    assert set(Outbox.objects.values_list("state", flat=True)) <= {"SENT", "FAILED", "UNKNOWN"}
