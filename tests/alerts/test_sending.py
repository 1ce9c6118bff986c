"""How messages are sent: a channel that is throttled waits as a whole, updates in their order, no dead button."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts import outbox, sending, services
from alerts.domain.buttons import Button
from alerts.domain.chat import Blocks, Posted
from alerts.memory import InMemoryChat
from alerts.models import ChannelHold, Outbox
from audit.domain.actor import Actor, automation
from tests.alerts.pressing import buttons

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
ANN = Actor("ann", "web")
CANCEL = Button("run.cancel", 7, "Cancel")


def tell(key: str, *, offer: bool = False) -> Outbox:
    wanted = [CANCEL] if offer else []
    services.tell(key=key, kind="INFO", incident_id=None, heading=f"hello {key}", buttons=wanted, now=NOW)
    return Outbox.objects.get(key=key)


def to(channel: str, key: str) -> None:
    payload = {"text": key, "blocks": []}
    outbox.add(key=key, kind="INFO", incident=None, payload=payload, to=channel, now=NOW)


def fire() -> int:
    return services.signal(
        rule="canary-failed",
        labels={"tier": "edge", "route": "shop"},
        severity="page",
        originator="backend",
        summary="shop fails",
        numbers={},
        action="",
        runbook="canary-rolled-back",
        cause="canary",
        by=automation("judge"),
        now=NOW,
    )


def deliver(chat: InMemoryChat, seconds: float = 0) -> int:
    return services.deliver(chat=chat, now=NOW + timedelta(seconds=seconds))


class Selective(InMemoryChat):
    """Throttles one channel only."""

    def __init__(self, throttled: str) -> None:
        super().__init__()
        self.throttled = throttled

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
        self.mode = "429" if channel == self.throttled else "ok"
        return super().post(key=key, text=text, blocks=blocks, channel=channel)


def test_one_throttled_message_holds_its_whole_channel() -> None:
    chat = InMemoryChat(mode="429")
    for key in ("a", "b", "c"):
        tell(key)
    deliver(chat)
    chat.mode = "ok"
    assert [deliver(chat, second) for second in (1, 3, 6.9)] == [0, 0, 0]
    assert chat.calls == 1
    assert deliver(chat, 7) == 3


def test_what_comes_while_a_channel_is_held_waits_too() -> None:
    chat = InMemoryChat(mode="429")
    tell("a")
    deliver(chat)
    chat.mode = "ok"
    tell("later")
    assert deliver(chat, 5) == 0
    assert deliver(chat, 7) == 2


def test_a_held_channel_holds_up_no_other() -> None:
    chat = Selective("#busy")
    to("#busy", "a")
    to("#busy", "b")
    to("#quiet", "c")
    assert deliver(chat) == 1
    assert [m.key for m in chat.messages] == ["c"]
    assert ChannelHold.objects.get().channel == "#busy"


def test_a_channel_that_throttles_again_is_held_again() -> None:
    chat = InMemoryChat(mode="429")
    tell("a")
    assert [deliver(chat, second) for second in (0, 7, 14)] == [0, 0, 0]
    assert chat.calls == 3
    chat.mode = "ok"
    assert [deliver(chat, 20), deliver(chat, 21)] == [0, 1]


def test_each_channel_has_a_thread_of_its_own() -> None:
    chat = InMemoryChat()
    number = fire()
    incident = Outbox.objects.get().incident
    payload = {"text": "nobody acknowledges", "blocks": []}
    outbox.add(key="escalated", kind="INFO", incident=incident, payload=payload, to="#oncall", now=NOW)
    services.tell(key="in the thread", kind="INFO", incident_id=number, heading="acted", now=NOW)
    for second in range(3):
        deliver(chat, second)
    root = chat.messages[0]
    assert {m.key: (m.channel, m.thread_ts) for m in chat.messages[1:]} == {
        "escalated": ("#oncall", ""),
        "in the thread": ("", root.ts),
    }


def test_a_reply_waits_while_its_root_is_still_looked_for() -> None:
    chat = InMemoryChat(mode="drop")
    number = fire()
    deliver(chat)
    chat.mode = "ok"
    services.tell(key="reply", kind="INFO", incident_id=number, heading="acted", now=NOW)
    assert deliver(chat, 1) == 0
    deliver(chat, 10)
    root, reply = chat.messages
    assert reply.thread_ts == root.ts


def test_a_reply_whose_root_cannot_be_looked_for_is_sent_by_itself() -> None:
    chat = InMemoryChat(mode="drop", history=False)
    number = fire()
    deliver(chat)
    chat.mode = "ok"
    services.tell(key="reply", kind="INFO", incident_id=number, heading="acted", now=NOW)
    deliver(chat, 10)
    deliver(chat, 11)
    assert [m.key for m in chat.messages][-1] == "reply"


def test_an_older_update_never_follows_a_newer_one() -> None:
    chat = InMemoryChat()
    number = fire()
    deliver(chat)
    services.acknowledge(incident_id=number, by=ANN, reason="", now=NOW)
    chat.mode = "down"
    deliver(chat, 1)
    failed = Outbox.objects.get(op="update")
    # A worker had it in flight while the newer one was written, and failed after that.
    Outbox.objects.filter(pk=failed.pk).update(state="SENDING")
    services.resolve(incident_id=number, by=ANN, reason="drained", now=NOW + timedelta(seconds=1))
    Outbox.objects.filter(pk=failed.pk).update(state="PENDING", next_at=NOW + timedelta(seconds=9))
    chat.mode = "ok"
    for second in range(2, 20):
        deliver(chat, second)
    assert chat.messages[0].text.startswith("Resolved")
    assert not Outbox.objects.filter(pk=failed.pk).exists()


def test_no_two_updates_of_one_message_are_under_way_at_once() -> None:
    chat = InMemoryChat()
    number = fire()
    deliver(chat)
    services.acknowledge(incident_id=number, by=ANN, reason="", now=NOW)
    Outbox.objects.filter(op="update").update(state="SENDING", claimed_at=NOW)
    services.resolve(incident_id=number, by=ANN, reason="drained", now=NOW)
    deliver(chat, 1)
    assert chat.messages[0].edits == 0


def test_buttons_that_nobody_would_hear_of_are_not_shown() -> None:
    chat = InMemoryChat(buttons=False)
    tell("k", offer=True)
    deliver(chat)
    kinds = [block["type"] for block in chat.messages[0].blocks]
    assert "actions" not in kinds
    said = chat.messages[0].blocks[-1]["elements"][0]["text"]
    assert said == "No buttons here: the links above lead to the pages that do the same."


def test_an_answered_message_loses_its_buttons_where_it_stands() -> None:
    chat = InMemoryChat()
    tell("run/7/a", offer=True)
    tell("run/77/a", offer=True)
    deliver(chat)
    assert services.answered(prefix="run/7/", said="Approved by ann", now=NOW) == 1
    deliver(chat, 1)
    mine, other = chat.messages
    assert [block["type"] for block in mine.blocks][-1] == "context"
    assert mine.blocks[-1]["elements"][0]["text"] == "Approved by ann"
    assert (mine.edits, other.edits) == (1, 0)


def test_what_is_answered_before_it_is_sent_comes_without_buttons() -> None:
    chat = InMemoryChat()
    row = tell("run/7/a", offer=True)
    services.answered(prefix="run/7/", said="Approved by ann", now=NOW)
    deliver(chat)
    row.refresh_from_db()
    assert (buttons(row), len(chat.messages), chat.messages[0].edits) == ([], 1, 0)


def test_a_message_that_has_more_to_answer_keeps_its_buttons() -> None:
    chat = InMemoryChat()
    row = tell("run/7/a", offer=True)
    deliver(chat)
    services.answered(prefix="run/7/", said="Approved by ann", now=NOW, still=True)
    deliver(chat, 1)
    assert [block["type"] for block in chat.messages[0].blocks] == ["section", "context", "actions"]
    services.answered(prefix="run/7/", said="Approved by bob", now=NOW)
    deliver(chat, 2)
    assert [block["type"] for block in chat.messages[0].blocks] == ["section", "context", "context"]
    row.refresh_from_db()
    assert not row.offers


def test_what_is_answered_just_before_it_is_claimed_comes_without_buttons() -> None:
    chat = InMemoryChat()
    seen = tell("run/7/a", offer=True)
    services.answered(prefix="run/7/", said="Approved by ann", now=NOW)
    assert sending._claim(seen, NOW)
    assert sending._attempt(chat, seen, None, NOW) == "confirmed"
    assert [block["type"] for block in chat.messages[0].blocks] == ["section", "context"]


def test_it_is_answered_once() -> None:
    chat = InMemoryChat()
    tell("run/7/a", offer=True)
    deliver(chat)
    found = [services.answered(prefix="run/7/", said=said, now=NOW) for said in ("first", "second")]
    assert found == [1, 0]


def test_a_message_that_is_being_sent_is_changed_after_that() -> None:
    chat = InMemoryChat()
    row = tell("run/7/a", offer=True)
    Outbox.objects.filter(pk=row.pk).update(state="SENDING", claimed_at=NOW)
    services.answered(prefix="run/7/", said="Approved by ann", now=NOW)
    assert deliver(chat, 1) == 0
    Outbox.objects.filter(pk=row.pk).update(state="PENDING", next_at=NOW)
    assert deliver(chat, 2) == 2
    assert [block["type"] for block in chat.messages[0].blocks] == ["section", "context"]
    assert chat.messages[0].edits == 1


def test_what_its_worker_died_with_is_updated_once_it_is_found() -> None:
    chat = InMemoryChat()
    number = fire()
    root = Outbox.objects.get()
    chat.post(key=root.key, text="shop fails", blocks=[])
    Outbox.objects.filter(pk=root.pk).update(state="SENDING", claimed_at=NOW)
    services.acknowledge(incident_id=number, by=ANN, reason="", now=NOW)
    for second in (46, 50, 60, 76, 77):
        deliver(chat, second)
    (message,) = chat.messages
    assert message.text.startswith("Acked")


def test_an_answered_message_whose_outcome_is_unknown_is_changed_once_it_is_found() -> None:
    chat = InMemoryChat(mode="drop")
    tell("run/7/a", offer=True)
    deliver(chat)
    chat.mode = "ok"
    services.answered(prefix="run/7/", said="Approved by ann", now=NOW)
    assert deliver(chat, 1) == 0
    assert deliver(chat, 10) == 1
    assert chat.messages[0].edits == 1


def test_replies_whose_root_is_looked_for_hold_nobody_else_up() -> None:
    chat = InMemoryChat(mode="drop")
    number = fire()
    deliver(chat)
    for line in range(2 * sending.BATCH):
        services.tell(key=f"line {line}", kind="INFO", incident_id=number, heading="line", now=NOW)
    chat.mode = "ok"
    tell("somebody else's")
    assert deliver(chat, 1) == 1
    assert chat.messages[-1].key == "somebody else's"
