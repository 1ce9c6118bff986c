"""One contract for both chats: slack-sdk against a Slack-shaped server, and the in-memory twin."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from alerts.domain.chat import CannotTell, MaybeSent, NotSent, Posted, Refused, Throttled
from alerts.memory import InMemoryChat
from alerts.ports import Chat
from alerts.slack import SlackChat, WebhookChat
from tests.support.processes import free_port
from tests.support.slack import SlackServer, slack_server

BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "*hello*"}}]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """A chat, how to make it fail, and what it shows."""

    chat: Chat
    fail: Callable[[str], None]
    texts: Callable[[], list[str]]
    threads: Callable[[], list[str]]
    forbid_history: Callable[[], None]
    broadcasts: Callable[[], list[bool]]
    whispers: Callable[[], list[str]]
    answer_to: str


def memory_world() -> World:
    chat = InMemoryChat()
    return World(
        chat=chat,
        fail=lambda mode: setattr(chat, "mode", mode),
        texts=lambda: [m.text for m in chat.messages],
        threads=lambda: [m.thread_ts for m in chat.messages],
        forbid_history=lambda: setattr(chat, "history", False),
        broadcasts=lambda: [m.broadcast for m in chat.messages],
        whispers=lambda: [f"ephemeral: {text}" for _, text in chat.whispers],
        answer_to="memory",
    )


def slack_world(server: SlackServer) -> World:
    return World(
        chat=SlackChat(token="xoxb-secret", base_url=server.url, channel="#sluice", buttons=True, timeout=1),
        fail=lambda mode: setattr(server, "mode", mode),
        texts=lambda: [m["text"] for m in server.messages],
        threads=lambda: [m.get("thread_ts", "") for m in server.messages],
        forbid_history=lambda: setattr(server, "history", False),
        broadcasts=lambda: [str(m.get("reply_broadcast")).lower() in ("1", "true") for m in server.messages],
        whispers=lambda: server.whispers,
        answer_to=server.answer_to,
    )


@pytest.fixture
def server() -> Iterator[SlackServer]:
    with slack_server() as running:
        yield running


@pytest.fixture(params=["memory", "slack"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return memory_world()
    return slack_world(request.getfixturevalue("server"))


def post(world: World, *, key: str = "k", thread_ts: str = "", broadcast: bool = False) -> Posted:
    return world.chat.post(key=key, text="hello", blocks=BLOCKS, thread_ts=thread_ts, broadcast=broadcast)


def test_a_post_is_shown_and_says_where_it_is(world: World) -> None:
    posted = post(world)
    assert world.texts() == ["hello"]
    assert posted.channel == "C1"
    assert posted.ts


def test_a_reply_goes_into_the_thread(world: World) -> None:
    root = post(world)
    post(world, key="reply", thread_ts=root.ts)
    assert world.threads() == ["", root.ts]


def test_a_reply_may_be_shown_in_the_channel_too(world: World) -> None:
    root = post(world, broadcast=True)
    post(world, key="reply", thread_ts=root.ts, broadcast=True)
    post(world, key="quiet", thread_ts=root.ts)
    assert world.broadcasts() == [False, True, False]


def test_an_update_changes_the_message_and_adds_none(world: World) -> None:
    posted = post(world)
    world.chat.update(at=posted, text="over", blocks=BLOCKS)
    assert world.texts() == ["over"]


def test_an_update_of_what_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="message_not_found"):
        world.chat.update(at=Posted("C1", "1.2"), text="over", blocks=BLOCKS)


def test_a_rate_limit_was_not_sent_and_says_how_long_to_wait(world: World) -> None:
    world.fail("429")
    with pytest.raises(NotSent) as caught:
        post(world)
    assert caught.value.retry_after == timedelta(seconds=7)
    assert world.texts() == []


@pytest.mark.parametrize("mode", ["500", "drop", "hang"])
def test_no_answer_means_maybe_sent_and_was_posted_at_most_once(world: World, mode: str) -> None:
    world.fail(mode)
    with pytest.raises(MaybeSent):
        post(world)
    assert world.texts() == ["hello"]


def test_a_rate_limit_is_of_the_whole_channel(world: World) -> None:
    world.fail("429")
    with pytest.raises(Throttled):
        post(world)
    with pytest.raises(Throttled):
        world.chat.whisper(answer_to=world.answer_to, text="done")


def test_a_word_is_said_to_one_person(world: World) -> None:
    world.chat.whisper(answer_to=world.answer_to, text="done")
    assert world.whispers() == ["ephemeral: done"]
    assert world.texts() == []


@pytest.mark.parametrize("mode", ["500", "drop", "hang"])
def test_a_word_without_an_answer_was_said_at_most_once(world: World, mode: str) -> None:
    world.fail(mode)
    with pytest.raises(MaybeSent):
        world.chat.whisper(answer_to=world.answer_to, text="done")
    assert world.whispers() == ["ephemeral: done"]


def test_a_post_goes_to_the_channel_that_is_asked_for(world: World) -> None:
    there = world.chat.post(key="k", text="hello", blocks=BLOCKS, channel="#other")
    assert there.channel == "C2"
    assert post(world).channel == "C1"


def test_ok_false_is_refused_with_its_reason(world: World) -> None:
    world.fail("refused")
    with pytest.raises(Refused, match="channel_not_found"):
        post(world)


def test_a_message_is_found_by_its_key(world: World) -> None:
    posted = post(world, key="alert/1")
    found = world.chat.find(key="alert/1", since=LONG_AGO)
    assert found is not None
    assert found.ts == posted.ts
    assert world.chat.find(key="alert/2", since=LONG_AGO) is None


def test_without_the_right_to_read_nothing_is_proved(world: World) -> None:
    world.forbid_history()
    with pytest.raises(CannotTell):
        world.chat.find(key="alert/1", since=LONG_AGO)


def test_a_refused_connection_was_not_sent() -> None:
    url = f"http://127.0.0.1:{free_port()}/api/"
    chat = SlackChat(token="x", base_url=url, channel="#a", buttons=True, timeout=1)
    with pytest.raises(NotSent, match="no connection"):
        chat.post(key="k", text="hello", blocks=BLOCKS)


def test_a_webhook_posts_and_cannot_edit(server: SlackServer) -> None:
    chat = WebhookChat(url=server.webhook, timeout=1)
    assert chat.post(key="k", text="hello", blocks=BLOCKS) == Posted("webhook", "")
    assert [m["text"] for m in server.messages] == ["hello"]
    with pytest.raises(CannotTell):
        chat.find(key="k", since=LONG_AGO)


def test_a_webhook_makes_a_message_of_what_others_show_in_a_thread(server: SlackServer) -> None:
    chat = WebhookChat(url=server.webhook, timeout=1)
    chat.post(key="k", text="it is back", blocks=BLOCKS, thread_ts="1.2", broadcast=True)
    assert [(m["text"], m.get("thread_ts")) for m in server.messages] == [("it is back", None)]


@pytest.mark.parametrize(("mode", "error"), [("429", NotSent), ("500", MaybeSent), ("drop", MaybeSent)])
def test_a_webhook_tells_the_same_failures(server: SlackServer, mode: str, error: type[Exception]) -> None:
    slack_world(server).fail(mode)
    with pytest.raises(error):
        WebhookChat(url=server.webhook, timeout=1).post(key="k", text="hello", blocks=BLOCKS)


@pytest.mark.parametrize("mode", ["429", "500", "drop", "refused"])
def test_no_error_shows_the_token(server: SlackServer, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    world = slack_world(server)
    world.fail(mode)
    with caplog.at_level("DEBUG"), pytest.raises((NotSent, MaybeSent, Refused)) as caught:
        post(world)
    assert "xoxb-secret" not in str(caught.value)
    assert "xoxb-secret" not in caplog.text
