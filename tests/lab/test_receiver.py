"""The Slack-shaped receiver, spoken to by Slack's own client."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from lab.presses import Presses
from lab.receiver import KEPT, Receiver
from tests.support.processes import free_port, listening, started

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("receiver"), free_port()
    environment = {"LAB_RECEIVER_PORT": str(port), "LAB_SOCKET_PORT": str(free_port())}
    environment |= {"SLUICE_VAR": str(folder)}
    argv = [sys.executable, "-m", "lab.receiver"]
    with started(argv, env=environment, log=folder / "log", ready=lambda: listening(port)):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def slack(url: str) -> Iterator[WebClient]:
    requests.post(f"{url}/mode", json={"mode": "ok"}, timeout=5).raise_for_status()
    requests.delete(f"{url}/messages", timeout=5).raise_for_status()
    yield WebClient(token="xoxb-lab", base_url=f"{url}/api/", retry_handlers=[], timeout=2)
    requests.post(f"{url}/mode", json={"mode": "ok"}, timeout=5).raise_for_status()


def messages(url: str) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = requests.get(f"{url}/messages", timeout=5).json()["messages"]
    return kept


def test_a_posted_message_is_kept_with_its_thread(url: str, slack: WebClient) -> None:
    root = slack.chat_postMessage(channel="#sluice", text="shop-v2 is failing")
    slack.chat_postMessage(
        channel="#sluice", text="rolled back", thread_ts=root["ts"], blocks=[{"type": "divider"}]
    )
    first, second = messages(url)
    assert first["text"] == "shop-v2 is failing"
    assert second["thread_ts"] == root["ts"] == first["ts"]
    assert second["blocks"] == [{"type": "divider"}]


def test_a_message_is_updated_in_place(url: str, slack: WebClient) -> None:
    posted = slack.chat_postMessage(channel="#sluice", text="firing")
    slack.chat_update(channel=posted["channel"], ts=posted["ts"], text="resolved")
    assert [message["text"] for message in messages(url)] == ["resolved"]


def test_the_history_shows_each_message_with_its_metadata(slack: WebClient) -> None:
    known = {"event_type": "test", "event_payload": {"key": "a"}}
    posted = slack.chat_postMessage(channel="#sluice", text="firing", metadata=known)
    history = slack.conversations_history(channel=posted["channel"], include_all_metadata=True)
    assert [message["metadata"] for message in history["messages"]] == [known]


def test_an_update_of_an_unknown_message_fails_as_in_slack(slack: WebClient) -> None:
    with pytest.raises(SlackApiError, match="message_not_found"):
        slack.chat_update(channel="C0LAB", ts="1.000000", text="resolved")


def test_the_token_is_tested(slack: WebClient) -> None:
    assert slack.auth_test()["user"] == "sluice"


def test_a_webhook_message_is_kept(url: str, slack: WebClient) -> None:
    answer = WebhookClient(f"{url}/webhook").send(text="hello")
    assert (answer.status_code, answer.body) == (200, "ok")
    assert messages(url)[0]["text"] == "hello"


@pytest.mark.parametrize(("mode", "status"), [("error", 200), ("rate_limited", 429), ("unavailable", 500)])
def test_a_failing_mode_keeps_nothing(url: str, slack: WebClient, mode: str, status: int) -> None:
    requests.post(f"{url}/mode", json={"mode": mode}, timeout=5).raise_for_status()
    answer = requests.post(f"{url}/api/chat.postMessage", json={"channel": "c", "text": "t"}, timeout=5)
    assert answer.status_code == status
    assert messages(url) == []


def test_a_dropped_answer_was_kept(url: str, slack: WebClient) -> None:
    requests.post(f"{url}/mode", json={"mode": "drop"}, timeout=5).raise_for_status()
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{url}/api/chat.postMessage", json={"channel": "c", "text": "t"}, timeout=5)
    assert len(messages(url)) == 1


def test_messages_outlive_a_restart_and_are_bounded(tmp_path: Path) -> None:
    file = tmp_path / "receiver.json"
    receiver = Receiver(file)
    for number in range(KEPT + 5):
        receiver.post({"channel": "c", "text": str(number)})
    again = Receiver(file)
    assert len(again.messages) == KEPT
    assert again.messages[-1]["text"] == str(KEPT + 4)
    assert len({message["ts"] for message in again.messages}) == KEPT


def test_only_a_button_that_a_message_shows_can_be_pressed(url: str, slack: WebClient) -> None:
    slack.chat_postMessage(channel="#sluice", text="no buttons here")
    answer = requests.post(f"{url}/press", json={"action": "run.approve"}, timeout=5)
    assert (answer.status_code, "run.approve" in answer.text) == (404, True)


def test_without_a_connection_nobody_hears_of_a_press_by_socket_mode(url: str, slack: WebClient) -> None:
    button = {"type": "button", "action_id": "run.approve", "value": "n"}
    slack.chat_postMessage(channel="#s", text="?", blocks=[{"type": "actions", "elements": [button]}])
    given = {"action": "run.approve", "via": "socket"}
    assert requests.post(f"{url}/press", json=given, timeout=5).json()["acknowledged"] is False


def test_an_address_for_a_word_is_good_for_five_as_in_slack() -> None:
    presses = Presses()
    made = presses._payload({"ts": "1.2"}, {"action_id": "a", "value": "n"}, "U1")
    token = made["response_url"].rpartition("/")[2]
    assert [presses.said(token, {"text": "x"}).status for _ in range(6)] == [200] * 5 + [404]
    assert presses.said("another", {"text": "x"}).status == 404
